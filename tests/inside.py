"""The whole application in this process, over a real SQLite file, with a clock that a test moves by hand.

No loop of the server runs: what time does is what the test lets it do.
"""

from __future__ import annotations

import asyncio
import json as json_text
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from onduty.answers import Message, Whole
from onduty.background import Background
from onduty.clock import Clock, Instant, wall_ms
from onduty.database import schema
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.front import Front
from onduty.identity import service as identity
from onduty.projects import service as projects
from onduty.projects import store as projects_store
from onduty.projects.model import Membership
from onduty.rooms import Rooms, build
from onduty.server import front_of
from onduty.settings import Settings
from tests.people import ALICE, EVERYBODY


class Still(Clock):
    """A clock that moves when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.instant: Instant = wall_ms()

    def now(self) -> Instant:
        return self.instant

    def adopt(self, reading: Instant | None = None) -> int:
        return 0


@dataclass(frozen=True)
class Request:
    """What goes in at the front: `path` is decoded, header names are lower case; a Host is added where none is."""

    method: str
    path: str
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    address: str = "127.0.0.1"


@dataclass(frozen=True)
class Told:
    """What came out: status, headers as they came, and the body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def json(self) -> Any:
        return json_text.loads(self.body) if self.body else None


@dataclass
class Inside:
    """One server; its people's tokens are by name, and `project_id` is the project of Alice, Bob and Vera."""

    rooms: Rooms
    front: Front
    tokens: dict[str, str] = field(default_factory=dict)
    project_id: str = ""

    async def ask(self, request: Request) -> Told:
        """What the application answers."""
        got: list[Message] = []
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                # Who waits for the answer says nothing more.
                await asyncio.Future()
            sent = True
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: Message) -> None:
            got.append(message)

        scope = _scope(request)
        target = quote(request.path).encode() + (b"?" + request.query if request.query else b"")
        if not request.body:
            whole = self.front.at_once(request.method.encode(), target, scope["headers"], scope["client"])
            if whole is not None:
                return _told(whole)
        await self.front(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in got[1:])
        return Told(got[0]["status"], tuple(got[0]["headers"]), body)

    async def call(self, who: str, method: str, path: str, json: Any = None) -> Told:
        """A plain request of one of the people."""
        return await self.ask(said(method, path, self.tokens[who], json))


def said(method: str, path: str, token: str | None, json: Any = None, address: str = "127.0.0.1") -> Request:
    """A plain request, with a query or without."""
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    body = b"" if json is None else json_text.dumps(json).encode()
    if json is not None:
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    path, _, query = path.partition("?")
    return Request(method, path, query.encode(), tuple(headers), body, address)


def _told(whole: Whole) -> Told:
    """An answer given at once, taken apart as a client would."""
    status, *lines = whole.head.split(b"\r\n")[:-1]
    headers = [line.partition(b": ") for line in lines]
    return Told(int(status.split(b" ")[1]), tuple((name, value) for name, _, value in headers), whole.body)


def _scope(request: Request) -> dict[str, Any]:
    named = {name for name, _ in request.headers}
    host = [] if b"host" in named else [(b"host", b"127.0.0.1")]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query,
        "root_path": "",
        "headers": [*host, *request.headers],
        "client": (request.address, 50_000),
        "server": ("127.0.0.1", 4646),
    }


async def furnish(path: Path, clock: Clock) -> tuple[dict[str, str], str]:
    """Make a database with its people: everybody's token by their name, two more of Alice's, and her project's id.

    `narrowed` sees a project of Charlie's alone, in which she is a member, `read-only` writes nothing.
    """
    schema.prepare(path)
    database = Database.open(path, clock)
    try:
        return await database.write(_make)
    finally:
        await database.close()


def _make(writer: Writer) -> tuple[dict[str, str], str]:
    users = {person.name: identity.new_user(writer, person.name) for person in EVERYBODY}
    project = projects.found(writer, "app", users[ALICE.name])
    other = projects.found(writer, "elsewhere", users["Charlie"])
    _join(writer, project.id, ((users[p.name], p.membership) for p in EVERYBODY if p.membership and p is not ALICE))
    _join(writer, other.id, [(users[ALICE.name], "member")])
    tokens = {name: identity.make_token(user_id, name, machine_id="laptop") for name, user_id in users.items()}
    tokens["narrowed"] = identity.make_token(users[ALICE.name], "narrowed", project_ids=[other.id])
    tokens["read-only"] = identity.make_token(users[ALICE.name], "read-only", read_only=True)
    for token in tokens.values():
        identity.keep_token(writer, token)
    return {name: token.secret for name, token in tokens.items()}, project.id


def _join(writer: Writer, project_id: str, who: Iterable[tuple[str, Any]]) -> None:
    for user_id, role in who:
        projects_store.add_member(writer, Membership(project_id, user_id, role))


@asynccontextmanager
async def opened(
    path: Path, clock: Clock, tokens: Mapping[str, str], project_id: str, rate_limit: int = 0
) -> AsyncIterator[Inside]:
    """A server over a furnished database."""
    database = Database.open(path, clock)
    rooms = build(Settings(data=path.parent, rate_limit=rate_limit), clock, database, Background())
    try:
        for load in (rooms.identity.load, rooms.projects.load, rooms.wires.load, rooms.keeping.load):
            await load()
        yield Inside(rooms, front_of(rooms), dict(tokens), project_id)
    finally:
        await rooms.close()
