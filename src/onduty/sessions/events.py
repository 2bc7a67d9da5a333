"""Events of agents, as `POST /agent-events` brings them: each stored once, folded, and answered in the order given."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Forbidden, NotFound, Problem
from onduty.identity.service import Principal
from onduty.projects.service import NOT_SEEN, Projects
from onduty.sessions import store
from onduty.sessions.fold import Event, Kind, Registers, fold, forgettable, join
from onduty.sessions.history import store as history
from onduty.sessions.model import AgentSession, end_of, is_ours, is_version_7
from onduty.sessions.processes import Process, Running
from onduty.sessions.reading import counts
from onduty.sessions.registry import Registry
from onduty.sessions.service import end, new_session, stored, told_apart_now

DAY_MS: Final = 24 * 3600 * 1000
FORK: Final = "fork"


@dataclass(frozen=True, slots=True)
class Told:
    """One event as its client told it; `at` and the batch's `sent_at` are of the client's clock, in ms."""

    id: str
    kind: Kind
    at: Instant
    session: str
    stamp: int | None = None
    tool: str = ""
    tool_id: str = ""
    subagent: str = ""
    reason: str = ""
    parent: str = ""
    question: str = ""
    words: Mapping[str, str | None] = field(default_factory=dict)
    process: Process | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one machine, sent together. `words` are what the batch says of every session in it.

    `caller_role` is that of sessions that it makes; what an agent said of itself later stays.
    """

    sent_at: Instant
    machine_id: str
    project_id: str | None
    events: Sequence[Told]
    words: Mapping[str, str | None] = field(default_factory=dict)
    caller_role: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one event: `accepted`, `repeated`, or `rejected` with the problem."""

    id: str
    status: str
    session_id: str | None = None
    problem: Problem | None = None


@dataclass(slots=True)
class Events:
    database: Database
    registry: Registry
    projects: Projects
    # How many events there were since the start, by kind and status.
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def record(self, principal: Principal, batch: Batch) -> list[Result]:
        """Store and fold a batch; what is accepted is durable when this returns.

        Forbidden as a whole for a read-only token. What only the server knows (a session that is somebody else's, a
        project the caller may not write to) rejects its item, and the rest is stored.
        """
        if principal.read_only:
            raise Forbidden("This token is read-only")

        def work(writer: Writer) -> _Work:
            done = _Work(writer, principal, self.projects, batch)
            done.run()
            return done

        done = await self.database.write(work)
        for row in done.rows:
            session = self.registry.adopt(row)
            for key in forgettable(session.registers):
                del session.registers.tools[key]
        kinds = (told.kind for told in batch.events)
        self.counted.update((kind, result.status) for kind, result in zip(kinds, done.results, strict=True))
        return done.results

    def on_duty(self, results: Sequence[Result], now: Instant) -> dict[str, Any] | None:
        """How many are on duty, in which roles, where the last of these events belongs. None where that is nowhere."""
        last = next((result.session_id for result in reversed(results) if result.session_id), None)
        session = self.registry.sessions.get(last or "")
        if session is None or session.project_id is None:
            return None
        return counts(self.registry, session.project_id, now)


class _Work:
    """One batch inside its transaction."""

    def __init__(self, writer: Writer, principal: Principal, projects: Projects, batch: Batch) -> None:
        self.writer = writer
        self.principal = principal
        self.projects = projects
        self.batch = batch
        self.results: list[Result] = []
        self.rows: list[AgentSession] = []
        self._running = Running(writer, principal.user_id, batch.machine_id, batch.project_id)
        self._found: dict[str, AgentSession | Problem] = {}

    def run(self) -> None:
        by_session: dict[str, list[Told]] = {}
        for told in self.batch.events:
            session = self._session(told.session, told)
            if isinstance(session, AgentSession):
                self._runs(session, told)
                by_session.setdefault(session.id, []).append(told)
        fresh = {i: self._fresh(i, events) for i, events in by_session.items()}
        self._answer(fresh)
        for session_id, events in sorted(fresh.items()):
            self._store(session_id, events)

    def _fresh(self, session_id: str, events: Sequence[Told]) -> dict[str, Told]:
        """Those that are not stored yet, by id; of a repeat within the batch the first."""
        known = history.known_events(self.writer, session_id, [told.id for told in events])
        fresh: dict[str, Told] = {}
        for told in events:
            if told.id not in known:
                fresh.setdefault(told.id, told)
        return fresh

    def _answer(self, fresh: Mapping[str, Mapping[str, Told]]) -> None:
        for told in self.batch.events:
            session = self._session(told.session)
            if isinstance(session, Problem):
                self.results.append(Result(told.id, "rejected", problem=session))
            else:
                accepted = fresh[session.id].get(told.id) is told
                self.results.append(Result(told.id, "accepted" if accepted else "repeated", session.id))

    def _store(self, session_id: str, fresh: Mapping[str, Told]) -> None:
        if not fresh:
            return
        delta, events = Registers(), [self._placed(told) for told in fresh.values()]
        for event in events:
            fold(delta, event)
        words = dict(self.batch.words)
        for told in fresh.values():
            words |= told.words
        before = stored(self.writer, session_id).registers
        was_ended, is_news = end_of(before) is not None, delta.life >= before.life
        join(before, delta)
        # What comes late, from a spool or after the end, tells nothing that is newer than what is known.
        if is_news and not (was_ended and end_of(before) is not None):
            store.set_words(self.writer, session_id, {**words, "token_id": self.principal.token_id})
        history.add_events(self.writer, session_id, events, self.writer.now // DAY_MS)
        store.raise_registers(self.writer, session_id, delta)
        session = stored(self.writer, session_id)
        store.forget_tools(self.writer, session_id, forgettable(session.registers))
        if session.implicit_key is not None and end_of(session.registers) is not None:
            store.release_implicit(self.writer, session_id)
            session.implicit_key = None
        self.rows.append(session)

    def _placed(self, told: Told) -> Event:
        """The event on the server's line: its age is the client's own difference, and never below 0."""
        at = max(1, self.writer.now - max(0, self.batch.sent_at - told.at))
        stamp = max(0, told.at) if told.stamp is None else told.stamp
        return Event(told.id, told.kind, stamp, at, told.tool, told.tool_id, told.subagent, told.reason, told.question)

    def _runs(self, session: AgentSession, told: Told) -> None:
        """The client's process runs this session now; the one that it ran before has been left for it."""
        if told.process is None:
            return
        left = self._running.runs(session, told.process, opens=told.kind == "start")
        if left is not None and left.registers.reopen_c < self._placed(told).stamp:
            end(self.writer, left, "moved")
            self.rows.append(stored(self.writer, left.id))

    def _session(self, named: str, told: Told | None = None) -> AgentSession | Problem:
        if named not in self._found:
            try:
                self._found[named] = self._resolved(named, told)
            except Problem as problem:
                self._found[named] = problem
        return self._found[named]

    def _resolved(self, named: str, told: Told | None) -> AgentSession:
        """The session that an id of ours or an alias means; an alias that is unknown registers one."""
        batch, principal = self.batch, self.principal
        if batch.project_id is not None:
            self.projects.acting(principal, batch.project_id)
        elif not self.projects.may_record(principal, None):
            raise Forbidden(NOT_SEEN)
        owner = self._alias_owner(named)
        if owner is not None:
            return stored(self.writer, owner)
        if is_ours(named) or (is_version_7(named) and not batch.words.get("caller_origin")):
            return self._ours(named.lower())
        process = None if told is None else told.process
        before = None if process is None else self._running.session_of(process)
        if told is not None and before is not None and not (told.kind == "start" and told.reason == FORK):
            # One running agent, whose client gave its conversation another id.
            session = stored(self.writer, before)
            store.set_alias(self.writer, session, named)
            return session
        words = {} if batch.caller_role is None else {"caller_role": batch.caller_role}
        session = new_session(principal, batch.project_id, batch.machine_id, self.writer.now, words)
        session.parent_session_id = before or self._parent(told)
        session.caller_origin = batch.words.get("caller_origin")
        connected = told is not None and before is None and told.kind != "end" and told_apart_now(self.writer, session)
        if connected:
            session = connected
        else:
            store.create(self.writer, session)
        store.set_alias(self.writer, session, named)
        return session

    def _parent(self, told: Told | None) -> str | None:
        """The session of a process above it, or the one that it says it was started from: of a fork that first."""
        if told is None:
            return None
        above = None if told.process is None else self._running.parent_of(told.process)
        named = self._named_parent(told.parent) if told.parent and (above is None or told.reason == FORK) else None
        return named or above

    def _named_parent(self, named: str) -> str | None:
        if not is_ours(named):
            return self._alias_owner(named)
        rows = store.by_ids(self.writer, [named.lower()])
        mine = [s for s in rows if (s.user_id, s.project_id) == (self.principal.user_id, self.batch.project_id)]
        return mine[0].id if mine else None

    def _alias_owner(self, alias: str) -> str | None:
        """Whom the alias means; where the batch names no project, it means the session's own (design.md 2.4)."""
        batch, user_id = self.batch, self.principal.user_id
        if batch.project_id is not None:
            return store.alias_owner(self.writer, user_id, batch.machine_id, batch.project_id, alias)
        owners = store.alias_owners(self.writer, user_id, batch.machine_id, alias)
        seen = [i for project_id, i in owners if not project_id or self.projects.sees(self.principal, project_id)]
        if seen and (project_id := {i: p for p, i in owners}[seen[0]]):
            self.projects.acting(self.principal, project_id)
        return seen[0] if seen else None

    def _ours(self, session_id: str) -> AgentSession:
        rows = store.by_ids(self.writer, [session_id])
        session = rows[0] if rows else None
        if session is None or (session.project_id and not self.projects.sees(self.principal, session.project_id)):
            raise NotFound("There is no such agent session")
        if session.project_id is not None:
            self.projects.acting(self.principal, session.project_id)
        if session.user_id != self.principal.user_id:
            raise Forbidden("This agent session is somebody else's")
        return session
