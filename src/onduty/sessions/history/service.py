"""One session looked at closely: what it is now, what it was, what it is called, whom it started."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Reader
from onduty.errors import Forbidden, NotFound
from onduty.identity.service import Principal
from onduty.sessions import store as sessions_store
from onduty.sessions.fold import Event, Registers, join
from onduty.sessions.history import store
from onduty.sessions.history.model import Span, SubAgent, states_over_time, sub_agents
from onduty.sessions.model import AgentSession, Gaps, Verdict, end_of, judge, known
from onduty.sessions.service import Sessions

# As many as a busy day of an agent has. States from more of them would hold up everybody else.
FOLDED: Final = 3_000
CHILDREN: Final = 100


@dataclass(frozen=True, slots=True)
class Look:
    """All that is known of a session at one instant. `events` are the newest `FOLDED` of the `kept` ones."""

    session: AgentSession
    verdict: Verdict
    spans: Sequence[Span]
    events: Sequence[Event]
    kept: int
    sub_agents: Sequence[SubAgent]
    aliases: Sequence[str]
    parent: AgentSession | None
    children: Sequence[AgentSession]
    may_end: bool


@dataclass(frozen=True, slots=True)
class _Read:
    events: Sequence[Event]
    spans: Sequence[Span]
    kept: int
    aliases: Sequence[str]
    children: Sequence[AgentSession]


@dataclass(slots=True)
class History:
    database: Database
    sessions: Sessions

    async def look(self, principal: Principal, session_id: str, now: Instant) -> Look:
        """The session and its past. NotFound for who may not see it."""
        session = await self.sessions.find(principal, session_id)
        now, gaps = max(now, session.registers.life), self.sessions.registry.gaps
        # As it is now: what is read next may be read while more is told.
        session = replace(session, registers=_copy(session.registers))
        read = await self.database.read(lambda reader: _read(reader, session, now, gaps))
        return Look(
            session=session,
            verdict=judge(session, now, gaps),
            spans=read.spans,
            events=read.events,
            kept=read.kept,
            sub_agents=sub_agents(session.registers, read.events),
            aliases=read.aliases,
            parent=await self._parent(principal, session),
            children=[self._as_in_memory(c) for c in read.children if self._shows(principal, c)],
            may_end=end_of(session.registers) is None and self._may_end(principal, session),
        )

    async def events(
        self, principal: Principal, session_id: str, before: tuple[Instant, str] | None, limit: int
    ) -> tuple[AgentSession, Sequence[Event]]:
        """A page of its events, the newest first. NotFound for who may not see it."""
        session = await self.sessions.find(principal, session_id)
        return session, await self.database.read(lambda reader: store.newest(reader, session_id, limit, before))

    async def portion(self, project_id: str, after: str, limit: int) -> list[tuple[AgentSession, Sequence[str]]]:
        """So many of a project's sessions in the order of their ids, those after this one, each with its aliases.

        Who may see them is decided already.
        """

        def work(reader: Reader) -> list[tuple[AgentSession, Sequence[str]]]:
            found = sessions_store.of_project(reader, project_id, after, limit)
            return [(session, sessions_store.aliases_of(reader, session.id)) for session in found]

        return [(self._as_in_memory(each), aliases) for each, aliases in await self.database.read(work)]

    async def events_of(self, session_id: str, before: tuple[Instant, str] | None, limit: int) -> Sequence[Event]:
        """The same of one session's events, the newest first."""
        return await self.database.read(lambda reader: store.newest(reader, session_id, limit, before))

    async def _parent(self, principal: Principal, session: AgentSession) -> AgentSession | None:
        if session.parent_session_id is None:
            return None
        try:
            return await self.sessions.find(principal, session.parent_session_id)
        except NotFound:
            return None

    def _shows(self, principal: Principal, child: AgentSession) -> bool:
        return known(child.registers) and self.sessions.sees(principal, child)

    def _as_in_memory(self, session: AgentSession) -> AgentSession:
        # Bare activity is written behind: memory knows what the file will know.
        return self.sessions.registry.sessions.get(session.id, session)

    def _may_end(self, principal: Principal, session: AgentSession) -> bool:
        try:
            self.sessions.may_end(principal, session)
        except Forbidden:
            return False
        return True


def _read(reader: Reader, session: AgentSession, now: Instant, gaps: Gaps) -> _Read:
    # The states are made here, where a thread of the database's own does it and not the loop.
    events = store.newest(reader, session.id, FOLDED)
    children = sessions_store.by_ids(reader, store.children(reader, session.id, CHILDREN))
    return _Read(
        events,
        states_over_time(session, events, now, gaps),
        store.count(reader, session.id) if len(events) == FOLDED else len(events),
        sessions_store.aliases_of(reader, session.id),
        sorted(children, key=lambda child: (child.connected_at, child.id)),
    )


def _copy(registers: Registers) -> Registers:
    copy = Registers()
    join(copy, registers)
    return copy
