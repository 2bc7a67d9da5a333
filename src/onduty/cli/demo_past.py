"""A data folder whose agents have worked for hours, made in seconds: the same services, under a clock that is moved."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from onduty.background import Background
from onduty.cli.demo_scene import AGENTS, PROJECTS, VIEWER, Agent, Moment, past_of
from onduty.clock import Clock, Instant
from onduty.database import schema
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.identity.model import Principal
from onduty.identity.service import keep_token, make_token, new_user
from onduty.projects import store as projects_store
from onduty.projects.model import Membership
from onduty.projects.service import found
from onduty.rooms import Rooms, build
from onduty.sessions.events import Batch, Told
from onduty.sessions.store import set_listened_until
from onduty.settings import Settings

_EVENTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Cast:
    """Who acts: project ids and users by name, and the token of each person on each machine."""

    projects: Mapping[str, str]
    users: Mapping[str, str]
    tokens: Mapping[tuple[str, str], Principal]
    secret: str

    def of(self, agent: Agent) -> Principal:
        return self.tokens[agent.person, agent.machine]


class _Moved(Clock):
    """It is what the story says it is."""

    instant: Instant = 0

    def now(self) -> Instant:
        return self.instant

    def adopt(self, reading: Instant | None = None) -> int:
        return 0


async def make_past(file: Path, now: Instant, random: Random) -> Cast:
    """Make the database with people, projects, agents and all that they did until now."""
    clock = _Moved()
    clock.instant = now - 24 * 3_600_000
    schema.prepare(file)
    database = Database.open(file, clock)
    try:
        cast = await database.write(_cast)
        rooms = build(Settings(data=file.parent), clock, database, Background())
        for load in (rooms.identity.load, rooms.projects.load, rooms.keeping.load):
            await load()
        ids: dict[int, str] = {}
        for number, agent in sorted(enumerate(AGENTS), key=lambda item: -item[1].since):
            ids[number] = await _live(rooms, clock, cast, agent, past_of(agent, now, random), ids)
        clock.instant = now
        await database.write(lambda writer: set_listened_until(writer, now))
    finally:
        await database.close()
    return cast


def _cast(writer: Writer) -> Cast:
    people = dict.fromkeys([VIEWER, *(agent.person for agent in AGENTS)])
    users = {name: new_user(writer, name) for name in people}
    projects = {name: found(writer, name, users[owner]).id for name, owner in PROJECTS.items()}
    members = {(agent.person, agent.project) for agent in AGENTS} | {(VIEWER, name) for name in PROJECTS}
    for name, project in sorted(members - {(owner, name) for name, owner in PROJECTS.items()}):
        projects_store.add_member(writer, Membership(projects[project], users[name], "member"))
    places = sorted({(agent.person, agent.machine) for agent in AGENTS})
    tokens = {
        (person, machine): make_token(users[person], f"agents on {machine}", machine_id=machine)
        for person, machine in places
    }
    mine = make_token(users[VIEWER], "command line", read_only=True)
    for token in [*tokens.values(), mine]:
        keep_token(writer, token)
    return Cast(projects, users, {place: token.principal for place, token in tokens.items()}, mine.secret)


async def _live(
    rooms: Rooms, clock: _Moved, cast: Cast, agent: Agent, told: list[Moment], ids: Mapping[int, str]
) -> str:
    """Tell an agent's whole past: its start when it was, the rest when the last of it was."""
    clock.instant = told[0].at
    parent = "" if agent.started_by is None else ids[agent.started_by]
    [first] = await rooms.events.record(cast.of(agent), batch(agent, cast, told[:1], 0, clock.instant, parent))
    assert first.session_id is not None
    words = {"said": agent.said, "ticket": agent.ticket}
    await rooms.sessions.change(cast.of(agent), first.session_id, {k: v for k, v in words.items() if v})
    clock.instant = told[-1].at
    for start in range(1, len(told), _EVENTS_AT_ONCE):
        part = told[start : start + _EVENTS_AT_ONCE]
        await rooms.events.record(cast.of(agent), batch(agent, cast, part, start, clock.instant))
    return first.session_id


def batch(agent: Agent, cast: Cast, told: list[Moment], first: int, now: Instant, parent: str = "") -> Batch:
    """What an agent tells, as its client's hook would; `first` numbers its events."""
    events = [
        Told(
            id=f"{first + n}",
            kind=m.kind,
            at=m.at,
            session=agent.alias,
            tool=m.tool,
            tool_id=m.tool_id,
            subagent=m.subagent,
            reason=m.reason,
            question=m.question,
            parent=parent,
        )
        for n, m in enumerate(told)
    ]
    words = {
        "caller_origin": agent.client,
        "client_version": agent.version or None,
        "branch": agent.branch,
        "folder": agent.folder,
    }
    return Batch(now, agent.machine, cast.projects[agent.project], events, words, agent.role)
