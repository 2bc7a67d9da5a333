"""The rooms of one server, put together and brought up; who needs whom stands here."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from onduty.audit.reading import Audit
from onduty.background import Background
from onduty.clock import Clock
from onduty.database.engine import Database
from onduty.identity.accounts import Accounts
from onduty.identity.browsers import Browsers
from onduty.identity.issuing import Issuing
from onduty.identity.pairing import Pairing
from onduty.identity.revoking import Tokens
from onduty.identity.service import Identity
from onduty.identity.walls import Walls
from onduty.limits import Limits
from onduty.mcp.service import Wires
from onduty.origins import Origins
from onduty.projects.deleting import Owning
from onduty.projects.invitations import Invitations
from onduty.projects.members import Members
from onduty.projects.service import Projects
from onduty.sessions.events import Events
from onduty.sessions.history.service import History
from onduty.sessions.keeping import Keeping
from onduty.sessions.presence import Presence
from onduty.sessions.reading import Reading
from onduty.sessions.registry import Registry
from onduty.sessions.resolution import Resolution
from onduty.sessions.retention import Retention
from onduty.sessions.row_pages import dress
from onduty.sessions.service import Sessions
from onduty.sessions.streams import Streams
from onduty.settings import Settings


@dataclass(slots=True)
class Rooms:
    settings: Settings
    clock: Clock
    background: Background
    database: Database
    origins: Origins
    limits: Limits
    identity: Identity
    projects: Projects
    accounts: Accounts
    browsers: Browsers
    issuing: Issuing
    pairing: Pairing
    registry: Registry
    sessions: Sessions
    reading: Reading
    events: Events
    history: History
    keeping: Keeping
    retention: Retention
    resolution: Resolution
    presence: Presence
    streams: Streams
    wires: Wires
    walls: Walls
    tokens: Tokens
    members: Members
    invitations: Invitations
    owning: Owning
    audit: Audit

    # How many answers there were since the start, by operation and status.
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)

    async def load(self) -> None:
        """Read what stands in memory, then start the loops that keep it."""
        await self.identity.load()
        await self.projects.load()
        await self.wires.load()
        await self.keeping.load()
        for name, loop in (
            ("keeping", self.keeping.run),
            ("settling", self.keeping.run_settling),
            ("streams", self.streams.run),
            ("wires", self.wires.run),
            ("tokens", self.identity.run),
            ("deleting", self.owning.run),
            ("retention", self.retention.run),
        ):
            self.background.start(name, partial(loop, self.background.wake()))

    def leave(self) -> None:
        """End what stays open as long as its client does."""
        self.presence.close()
        self.streams.close()

    async def close(self) -> None:
        """End the loops, which write what is unwritten, and close the database."""
        self.leave()
        await self.background.stop()
        await self.database.close()


def build(settings: Settings, clock: Clock, database: Database, background: Background) -> Rooms:
    """The rooms over an open database, not yet loaded."""
    # why long: each room once, after those that it needs
    registry = Registry()
    identity = Identity(database)
    projects = Projects(database, withdrawn=identity.withdrawn)
    identity.projects_of = projects.seen_by
    sessions = Sessions(database, registry, projects)
    wires = Wires(database)
    resolution = Resolution(database, registry, projects, sessions)
    reading = Reading(database, registry, projects, sessions)
    presence = Presence(registry, resolution, clock, background)
    streams = Streams(registry, clock, dress(identity.name_of))
    identity.on_sign_out.append(streams.signed_out)
    projects.on_withdrawal += [presence.look_again, streams.look_again]
    projects.on_deletion += [
        identity.forget_project,
        sessions.forget_project,
        wires.forget_project,
        reading.forget_project,
        streams.forget_project,
    ]
    return Rooms(
        settings=settings,
        clock=clock,
        background=background,
        database=database,
        origins=Origins(settings.public_url, settings.cors_origins),
        limits=Limits(settings.rate_limit, settings.rate_limit / 2),
        identity=identity,
        projects=projects,
        accounts=Accounts(database, identity),
        browsers=Browsers(database, identity),
        issuing=Issuing(identity, projects),
        pairing=Pairing(identity, projects),
        registry=registry,
        sessions=sessions,
        reading=reading,
        events=Events(database, registry, projects),
        history=History(database, sessions),
        keeping=Keeping(database, registry, clock),
        retention=Retention(database, registry, projects, clock, [resolution.forget_sessions, wires.forget_sessions]),
        resolution=resolution,
        presence=presence,
        streams=streams,
        wires=wires,
        walls=Walls(database, identity),
        tokens=Tokens(database, identity, projects, sessions),
        members=Members(database, projects, identity, sessions),
        invitations=Invitations(database, projects, identity),
        owning=Owning(database, projects),
        audit=Audit(database, projects, identity),
    )
