"""A real database with a project and its people, and the sessions' services over it, as the server puts them up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from onduty.clock import Clock, Instant, wall_ms
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.identity import service as identity
from onduty.identity.model import Principal
from onduty.projects import service as projects
from onduty.projects import store as projects_store
from onduty.projects.model import Membership
from onduty.sessions import store
from onduty.sessions.events import Batch, Events, Told
from onduty.sessions.fold import Kind
from onduty.sessions.keeping import Keeping
from onduty.sessions.model import AgentSession
from onduty.sessions.reading import Reading
from onduty.sessions.registry import Registry
from onduty.sessions.service import Registration, Sessions
from tests.database.places import Place, prepared
from tests.people import EVERYBODY, Person

T = TypeVar("T")


@dataclass
class Wall:
    """A wall clock that a test steps."""

    step: int = 0

    def __call__(self) -> Instant:
        return wall_ms() + self.step


@dataclass
class Office:
    """One server's room of sessions. `project_id` is the project of Alice, Bob and Vera."""

    database: Database
    clock: Clock
    wall: Wall
    people: dict[str, Principal]
    project_id: str
    registry: Registry = field(default_factory=Registry)

    def __post_init__(self) -> None:
        self.projects = projects.Projects(self.database)
        self.sessions = Sessions(self.database, self.registry, self.projects)
        self.events = Events(self.database, self.registry, self.projects)
        self.reading = Reading(self.database, self.registry, self.projects, self.sessions)
        self.keeping = Keeping(self.database, self.registry, self.clock)

    def one(self, person: Person) -> Principal:
        return self.people[person.name]

    def forward(self, ms: int) -> Instant:
        """Let that much time pass unheard (negative: the clock goes back); the instant it is then."""
        self.wall.step += ms
        self.clock.adopt()
        return self.clock.now()

    async def register(
        self, person: Person, ref: str | None = None, parent: str | None = None, **words: str | None
    ) -> AgentSession:
        wanted = Registration("laptop", ref, parent, words)
        return (await self.sessions.register(self.one(person), self.project_id, wanted))[0]

    def batch(
        self, *events: Told, sent_at: Instant | None = None, words: Mapping[str, str | None] = MappingProxyType({})
    ) -> Batch:
        """Events sent now, by a client whose clock is right."""
        now = self.clock.now() if sent_at is None else sent_at
        return Batch(now, "laptop", self.project_id, events, words)

    def told(self, name: str, kind: Kind, age: int = 0, session: str = "thread", **rest: str) -> Told:
        """An event that happened so many ms ago; its clock reading is its stamp."""
        return Told(name, kind, self.clock.now() - age, session, **rest)  # type: ignore[arg-type]

    async def stored(self, session_id: str) -> AgentSession:
        """The session as the file has it."""
        return (await self.database.read(lambda reader: store.by_ids(reader, [session_id])))[0]


async def _furnished(database: Database) -> tuple[dict[str, Principal], str]:
    def work(writer: Writer) -> tuple[dict[str, Principal], str]:
        users = {person: identity.new_user(writer, person.name) for person in EVERYBODY}
        tokens = {person: identity.make_token(user_id, person.name) for person, user_id in users.items()}
        for token in tokens.values():
            identity.keep_token(writer, token)
        owner = next(person for person in EVERYBODY if person.membership == "owner")
        project = projects.found(writer, "app", users[owner])
        for person, user_id in users.items():
            if person.membership is not None and person is not owner:
                projects_store.add_member(writer, Membership(project.id, user_id, person.membership))
        return {person.name: token.principal for person, token in tokens.items()}, project.id

    return await database.write(work)


@asynccontextmanager
async def opened(place: Place, before: Office | None = None) -> AsyncIterator[Office]:
    """A server on a new database, or after a restart on the one that `before` used; with its clock, if it had one."""
    if before is None:
        prepared(place)
    wall = Wall() if before is None else before.wall
    clock = Clock(wall)
    database = Database.open(place, clock)
    try:
        people, project_id = await _furnished(database) if before is None else (before.people, before.project_id)
        office = Office(database, clock, wall, people, project_id)
        await office.projects.load()
        await office.keeping.load()
        yield office
    finally:
        await database.close()


def in_office(place: Place, story: Callable[[Office], Awaitable[T]]) -> T:
    """Run a story in one."""

    async def run() -> T:
        async with opened(place) as office:
            return await story(office)

    return asyncio.run(run())
