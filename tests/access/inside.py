"""The whole application in this process, over a new file: for what is counted rather than timed, and for clocks."""

from __future__ import annotations

import asyncio
import json as json_text
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from onduty.answers import Message
from onduty.background import Background
from onduty.clock import Clock
from onduty.database import schema
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.identity.service import keep_token, make_token, new_user
from onduty.rooms import Rooms, build
from onduty.server import front_of
from onduty.settings import Settings
from tests.sessions.office import Wall

T = TypeVar("T")


@dataclass(frozen=True)
class Said:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return json_text.loads(self.body) if self.body else None


@dataclass
class Inside:
    """`alice` is the token of a first user, who owns nothing yet."""

    rooms: Rooms
    wall: Wall
    alice: str = ""
    users: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.front = front_of(self.rooms)

    async def move_in(self) -> None:
        def work(writer: Writer) -> Any:
            token = make_token(new_user(writer, "Alice"), "first")
            keep_token(writer, token)
            return token

        token = await self.rooms.database.write(work)
        self.rooms.identity.adopt(token, "Alice")
        self.alice, self.users["Alice"] = token.secret, token.principal.user_id

    async def ask(
        self, method: str, path: str, token: str | None, json: Any = None, address: str = "192.0.2.1", **headers: str
    ) -> Said:
        """One request below `/api`."""
        body = b"" if json is None else json_text.dumps(json).encode()
        told = {"host": "127.0.0.1", "content-length": str(len(body)), "content-type": "application/json", **headers}
        if token is not None:
            told["authorization"] = f"Bearer {token}"
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"/api{path}",
            "raw_path": f"/api{path}".encode(),
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "query_string": query.encode(),
            "client": (address, 1),
            "server": ("127.0.0.1", 4646),
            "headers": [(name.encode(), value.encode()) for name, value in told.items()],
        }
        sent: list[Message] = []
        coming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if not coming:
                # Who waits for the answer says nothing more.
                await asyncio.Future()
            return coming.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        await self.front(scope, receive, send)
        answered = b"".join(message.get("body", b"") for message in sent[1:])
        return Said(sent[0]["status"], dict(sent[0]["headers"]), answered)

    async def did(self, method: str, path: str, token: str, json: Any = None) -> Any:
        """What a request that has to work answers."""
        said = await self.ask(method, path, token, json)
        assert 200 <= said.status < 300, (method, path, said.status, said.body)
        return said.json

    async def secret(self, project_id: str, role: str, token: str | None = None) -> str:
        url = (await self.did("POST", f"/projects/{project_id}/invitations", token or self.alice, {"role": role}))[
            "url"
        ]
        return str(url).partition("#")[2]

    async def join(self, name: str, project_id: str, role: str) -> str:
        """Somebody new joins; the answer is their token."""
        body = {"secret": await self.secret(project_id, role), "name": name}
        said = await self.ask("POST", "/invitations/accept", None, body, address=f"192.0.2.{len(self.users) + 10}")
        assert said.status == 200, said.body
        self.users[name] = said.json["user_id"]
        return str(said.json["token"])


def inside(folder: Path, story: Callable[[Inside], Awaitable[T]], **settings: Any) -> T:
    """Run a story in one that is loaded as a server loads it."""

    async def run() -> T:
        path = folder / "data.sqlite3"
        if not path.exists():
            schema.prepare(path)
        wall = Wall()
        clock = Clock(wall)
        rooms = build(Settings(data=folder, **settings), clock, Database.open(path, clock), Background())
        await rooms.load()
        try:
            place = Inside(rooms, wall)
            await place.move_in()
            return await story(place)
        finally:
            await rooms.close()

    return asyncio.run(run())
