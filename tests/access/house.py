"""A server in this process that people come to and leave: it begins with Alice alone, and all its loops run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from onduty.background import Background
from onduty.clock import Clock
from onduty.database import schema
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.identity.service import keep_token, make_token, new_user
from onduty.rooms import Rooms, build
from onduty.server import front_of
from onduty.settings import Settings
from tests.inside import Inside, Told, said
from tests.sessions.office import Wall

T = TypeVar("T")


@dataclass
class House:
    """`alice` is the token of a first user, who owns nothing yet."""

    rooms: Rooms
    wall: Wall
    alice: str = ""
    users: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = Inside(self.rooms, front_of(self.rooms))

    async def move_in(self) -> None:
        def work(writer: Writer) -> Any:
            token = make_token(new_user(writer, "Alice"), "first")
            keep_token(writer, token)
            return token

        token = await self.rooms.database.write(work)
        self.rooms.identity.adopt(token, "Alice")
        self.alice, self.users["Alice"] = token.secret, token.principal.user_id

    async def ask(
        self, method: str, path: str, token: str | None, json: Any = None, address: str = "192.0.2.1"
    ) -> Told:
        """One request below `/api`."""
        return await self.server.ask(said(method, f"/api{path}", token, json, address))

    async def did(self, method: str, path: str, token: str, json: Any = None) -> Any:
        """What a request that has to work answers."""
        told = await self.ask(method, path, token, json)
        assert 200 <= told.status < 300, (method, path, told.status, told.body)
        return told.json

    async def secret(self, project_id: str, role: str, token: str | None = None) -> str:
        url = (await self.did("POST", f"/projects/{project_id}/invitations", token or self.alice, {"role": role}))[
            "url"
        ]
        return str(url).partition("#")[2]

    async def join(self, name: str, project_id: str, role: str) -> str:
        """Somebody new joins; the answer is their token."""
        body = {"secret": await self.secret(project_id, role), "name": name}
        told = await self.ask("POST", "/invitations/accept", None, body, address=f"192.0.2.{len(self.users) + 10}")
        assert told.status == 200, told.body
        self.users[name] = told.json["user_id"]
        return str(told.json["token"])


def inside(folder: Path, story: Callable[[House], Awaitable[T]], **settings: Any) -> T:
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
            place = House(rooms, wall)
            await place.move_in()
            return await story(place)
        finally:
            await rooms.close()

    return asyncio.run(run())
