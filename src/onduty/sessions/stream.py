"""What is told live of one project: its sessions that have not ended as rows, and each change of a row.

Nothing here waits: `now` is passed in. A row is made anew when something was said of its session, or when it may read
otherwise by time alone; whatever happened to it between two looks is one change. News that are no more than a sign of
life are told once a second and row, all others with the next look.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from onduty.clock import Instant
from onduty.sessions.listing import place_of
from onduty.sessions.model import SECOND_MS, AgentSession, State, judge
from onduty.sessions.registry import Registry
from onduty.sessions.rows import as_row, encode

KEPT_CHANGES: Final = 1_000
ALIVE_EVERY_MS: Final = SECOND_MS
# What moves with each sign of life: the instant of a call, or of the last sign where there is no other reason.
_MOVING: Final = ("call", "none")


class Told(NamedTuple):
    """A session as it was told last, and when."""

    state: State
    user_id: str
    place: tuple[int, str]
    row: dict[str, Any]
    body: bytes
    at: Instant


class Change(NamedTuple):
    """A row that reads otherwise: the state that it was told in before, and how it is told now; None for not at all."""

    number: int
    session_id: str
    was: State | None
    told: Told | None

    def kind(self, states: frozenset[State]) -> str | None:
        """What it is to one who looks at these states: `session`, `gone`, or nothing."""
        if self.told is not None and self.told.state in states:
            return "session"
        return "gone" if self.was in states else None


@dataclass(slots=True)
class Numbers:
    """Numbers the changes of all projects, so that one number says how far somebody was told who looks at several."""

    last: int = 0

    def next(self) -> int:
        self.last += 1
        return self.last


@dataclass(slots=True)
class Feed:
    """`floor` is the number after which every change is kept."""

    project_id: str
    registry: Registry
    numbers: Numbers
    floor: int = 0
    rows: dict[str, Told] = field(default_factory=dict)
    # Sessions of which something was said, in that order.
    touched: dict[str, None] = field(default_factory=dict)
    # Rows that had a sign of life too soon after they were told, and when they are told again.
    alive: dict[str, Instant] = field(default_factory=dict)
    # The next instants at which sessions may read otherwise; of several of one session the one in `looks` counts.
    _due: list[tuple[Instant, str]] = field(default_factory=list)
    _looks: dict[str, Instant] = field(default_factory=dict)
    _past: deque[tuple[int, str, State | None]] = field(default_factory=deque)

    @classmethod
    def of(cls, project_id: str, registry: Registry, numbers: Numbers, now: Instant) -> "Feed":
        """The rows as they are now. Nobody was told any of it: a number from before is too old."""
        feed = cls(project_id, registry, numbers, numbers.next())
        for session in registry.of_project(project_id):
            if (told := feed._told(session, now)) is not None:
                feed.rows[session.id] = told
        return feed

    def changes(self, now: Instant, alive_every_ms: int = ALIVE_EVERY_MS) -> list[Change]:
        """What reads otherwise than it was told last, numbered; nothing of it is kept for later when that is 0 ms."""
        while self._due and self._due[0][0] <= now:
            at, session_id = heapq.heappop(self._due)
            if self._looks.get(session_id) == at:
                del self._looks[session_id]
                self.touched[session_id] = None
        self.touched.update((i, None) for i, at in self.alive.items() if at <= now or not alive_every_ms)
        touched, self.touched = self.touched, {}
        found = [self._changed(session_id, now, alive_every_ms) for session_id in touched]
        return [change for change in found if change is not None]

    def next_look(self) -> Instant | None:
        """When `changes` may find something though nothing was said of any session; None for never."""
        nearest = [at for at, _ in self._due[:1]]
        return min([*nearest, *self.alive.values()], default=None)

    def rows_in(self, states: frozenset[State]) -> list[Told]:
        """The rows in these states as they were told last, in the order of the list."""
        return sorted((told for told in self.rows.values() if told.state in states), key=lambda told: told.place)

    def since(self, number: int) -> Sequence[Change] | None:
        """What changed after that number, once a session, in order. None where that is not known, or not any more."""
        if not self.floor <= number <= self.numbers.last:
            return None
        was: dict[str, State | None] = {}
        latest: dict[str, int] = {}
        for changed, session_id, before in self._past:
            if changed > number:
                was.setdefault(session_id, before)
                latest[session_id] = changed
        return sorted(Change(at, i, was[i], self.rows.get(i)) for i, at in latest.items())

    def _changed(self, session_id: str, now: Instant, alive_every_ms: int) -> Change | None:
        self.alive.pop(session_id, None)
        session, old = self.registry.sessions.get(session_id), self.rows.get(session_id)
        told = None if session is None else self._told(session, now)
        if told is None:
            if old is None:
                return None
            del self.rows[session_id]
        elif old is not None:
            if told.body == old.body:
                return None
            if 0 <= now - old.at < alive_every_ms and _is_but_alive(old.row, told.row):
                self.alive[session_id] = old.at + alive_every_ms
                return None
        if told is not None:
            self.rows[session_id] = told
        return self._numbered(session_id, None if old is None else old.state, told)

    def _numbered(self, session_id: str, was: State | None, told: Told | None) -> Change:
        change = Change(self.numbers.next(), session_id, was, told)
        self._past.append(change[:3])
        if len(self._past) > KEPT_CHANGES:
            self.floor = self._past.popleft()[0]
        return change

    def _told(self, session: AgentSession, now: Instant) -> Told | None:
        """How the session is told, None where it is not shown; it is looked at again when that may change."""
        if session.project_id != self.project_id:
            return None
        verdict = judge(session, now, self.registry.gaps)
        shown, until = self.registry.shown(session, now)
        if verdict.state == "ended":
            return None
        self._look_at(session.id, (until, verdict.changes_at))
        if not shown:
            return None
        row = as_row(session, verdict, now)
        return Told(verdict.state, session.user_id, place_of(session), row, encode(row), now)

    def _look_at(self, session_id: str, instants: Iterable[Instant | None]) -> None:
        at = min((at for at in instants if at is not None), default=None)
        # An earlier look will find the later one.
        if at is not None and at < self._looks.get(session_id, at + 1):
            self._looks[session_id] = at
            heapq.heappush(self._due, (at, session_id))


def _is_but_alive(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether the rows differ in nothing but the last sign of life."""
    return _still(old) == _still(new)


def _still(row: dict[str, Any]) -> dict[str, Any]:
    because = row["because"]
    if because["signal"] in _MOVING:
        because = {**because, "at": None}
    return {**row, "last_activity_at": None, "because": because}
