"""The sessions heard from within 24 hours, or connected, in memory, by all that they are looked up by.

It touches no database and reads no time. Rows come in by `adopt` after a commit; bare activity is marked here and
written behind. Whoever changes a session says so with `touch`, so that what is kept of it is made anew.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from onduty.clock import Instant
from onduty.sessions.fold import join
from onduty.sessions.model import HOUR_MS, NO_GAPS, ON_DUTY, AgentSession, Gaps, end_of, judge, known

KEPT_MS: Final = 24 * HOUR_MS
GroupKey = tuple[str, str, str | None]

_WORDS: Final = (
    "caller_origin", "caller_role", "client_version", "branch", "folder", "said", "ticket", "implicit_key",
    "project_id", "parent_session_id", "told_apart", "token_id",
)  # fmt: skip


@dataclass(slots=True)
class Registry:
    gaps: Gaps = NO_GAPS
    sessions: dict[str, AgentSession] = field(default_factory=dict)
    by_project: dict[str | None, dict[str, AgentSession]] = field(default_factory=dict)
    by_group: dict[GroupKey, set[str]] = field(default_factory=dict)
    by_implicit_key: dict[str, str] = field(default_factory=dict)
    implicit_in: dict[GroupKey, set[str]] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    on_touch: list[Callable[[AgentSession], None]] = field(default_factory=list)

    def adopt(self, row: AgentSession) -> AgentSession:
        """Take a row as it was committed; what memory knows beyond it stays. Answers the session in memory."""
        session = self.sessions.get(row.id)
        if session is None:
            session = row
            self.sessions[row.id] = row
        else:
            if (session.told_apart, group_of(session)) != (row.told_apart, group_of(row)):
                # It hides others from now on; those that it hid are to be made anew as well.
                self.touch(session)
            self._leave(session)
            join(session.registers, row.registers)
            for word in _WORDS:
                setattr(session, word, getattr(row, word))
        self._enter(session)
        self.touch(session)
        return session

    def _enter(self, session: AgentSession) -> None:
        self.by_project.setdefault(session.project_id, {})[session.id] = session
        index = self.by_group if session.told_apart else self.implicit_in
        index.setdefault(group_of(session), set()).add(session.id)
        if session.implicit_key is not None:
            self.by_implicit_key[session.implicit_key] = session.id

    def _leave(self, session: AgentSession) -> None:
        self.by_project.get(session.project_id, {}).pop(session.id, None)
        index, key = self.by_group if session.told_apart else self.implicit_in, group_of(session)
        group = index.get(key, set())
        group.discard(session.id)
        if not group:
            index.pop(key, None)
        if session.implicit_key is not None and self.by_implicit_key.get(session.implicit_key) == session.id:
            del self.by_implicit_key[session.implicit_key]

    def drop(self, session: AgentSession) -> None:
        """Let a session that has settled leave memory."""
        self._leave(session)
        self.sessions.pop(session.id, None)
        self.dirty.discard(session.id)
        self.touch(session)

    def touch(self, session: AgentSession) -> None:
        """Something was said of the session: whatever is kept of it, or hangs on it, is to be made anew."""
        for listener in self.on_touch:
            listener(session)
        if session.told_apart:
            for session_id in self.implicit_in.get(group_of(session), ()):
                for listener in self.on_touch:
                    listener(self.sessions[session_id])

    def record_call(self, session: AgentSession, now: Instant) -> None:
        """Bare activity over MCP or REST: in memory at once, written behind."""
        registers = session.registers
        registers.life = max(registers.life, now)
        registers.call = max(registers.call, now)
        self.dirty.add(session.id)
        self.touch(session)

    def lease(self, session: AgentSession, now: Instant, until: Instant) -> None:
        """An open presence stream holds the session until then. The first gives it its first sign of life, once.

        Not to one that others hide: it is one of theirs then, and would be a row of nobody once they have ended.
        """
        if session.lease_until <= now:
            session.lease_since = now
            self.touch(session)
        session.lease_until = until
        if not known(session.registers) and not self._hiding(session, now):
            session.registers.life = now
            self.dirty.add(session.id)
            self.touch(session)

    def release(self, session: AgentSession, now: Instant) -> None:
        """The last presence stream of the session is gone; that is no end."""
        session.lease_until = min(session.lease_until, now)
        self.touch(session)

    def of_project(self, project_id: str | None) -> Iterable[AgentSession]:
        return self.by_project.get(project_id, {}).values()

    def on_duty_in(self, key: GroupKey, now: Instant) -> list[AgentSession]:
        """The told-apart sessions of a token, machine and project that are on duty."""
        found = [self.sessions[i] for i in self.by_group.get(key, ())]
        return [s for s in found if known(s.registers) and judge(s, now, self.gaps).state in ON_DUTY]

    def _hiding(self, session: AgentSession, now: Instant) -> list[AgentSession]:
        """The told-apart sessions because of which an implicit one is not shown."""
        if session.told_apart:
            return []
        return [s for s in self.on_duty_in(group_of(session), now) if fits(s, session.caller_origin)]

    def shown(self, session: AgentSession, now: Instant) -> tuple[bool, Instant | None]:
        """Whether the session is listed, and until when that surely stays so (None: until something is said).

        One of which only ends are known is not; an implicit one only while no told-apart session of its key lives.
        """
        if not known(session.registers):
            return False, None
        if session.told_apart or end_of(session.registers) is not None:
            return True, None
        hiding = self._hiding(session, now)
        changes = [at for s in hiding if (at := judge(s, now, self.gaps).changes_at) is not None]
        return not hiding, min(changes, default=None)


def group_of(session: AgentSession) -> GroupKey:
    return (session.token_id, session.machine_id, session.project_id)


def fits(session: AgentSession, origin: str | None) -> bool:
    """Whether a client of that origin may be this session: its origin is the same, or not known."""
    return session.caller_origin is None or session.caller_origin == origin


def implicit_key_of(token_id: str, machine_id: str, project_id: str | None, origin: str) -> str:
    """The key of the one implicit session of a token, machine, project and client (design.md 2.4 rung 5)."""
    return "|".join((token_id, machine_id, project_id or "", origin))
