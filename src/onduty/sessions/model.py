"""What an agent session is and what it is shown as: design.md 2.1 to 2.3, pure, with `now` passed in.

All instants and spans are whole milliseconds on the server's line. Limits are inclusive.
"""

import re
import zlib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Literal, NamedTuple
from uuid import UUID

from onduty.clock import Instant
from onduty.sessions.fold import Registers, Tool, barrier, is_subagent

State = Literal["working", "waiting", "idle", "quiet", "lost", "ended"]
Signal = Literal["wait", "tool", "subagent", "turn", "call", "stream", "none", "end"]
STATES: Final[tuple[State, ...]] = ("working", "waiting", "idle", "quiet", "lost", "ended")
ON_DUTY: Final[frozenset[State]] = frozenset({"working", "waiting", "idle", "quiet"})

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

ACTIVE_MS: Final = 5 * MINUTE_MS
CALL_MS: Final = 60 * SECOND_MS
LEASE_MS: Final = 45 * SECOND_MS

_VERSION_7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)


class Line(NamedTuple):
    """A line of the table in design.md 2.3: shown as `first` until `first_ms` of silence, then as `then` until lost."""

    first: State
    first_ms: int
    then: State
    lost_ms: int


LINES: Final[dict[Signal, Line]] = {
    "wait": Line("waiting", 12 * HOUR_MS, "waiting", 12 * HOUR_MS),
    "tool": Line("working", 30 * MINUTE_MS, "quiet", 2 * HOUR_MS),
    "subagent": Line("working", 30 * MINUTE_MS, "quiet", 2 * HOUR_MS),
    "turn": Line("working", 5 * MINUTE_MS, "quiet", 30 * MINUTE_MS),
    "call": Line("working", 2 * HOUR_MS, "working", 2 * HOUR_MS),
    "none": Line("idle", 2 * HOUR_MS, "idle", 2 * HOUR_MS),
}


class Gaps:
    """Spans in which the server did not listen, `(began, ended)`, disjoint and in order. Immutable."""

    __slots__ = ("_lost", "_starts", "spans")

    def __init__(self, spans: tuple[tuple[Instant, Instant], ...] = ()) -> None:
        self.spans = spans
        self._starts = [began for began, _ in spans]
        self._lost = [0, *accumulate(ended - began for began, ended in spans)]

    @classmethod
    def of(cls, spans: Iterable[tuple[Instant, Instant]]) -> "Gaps":
        """These spans, which may touch or overlap."""
        gaps = cls()
        for began, ended in spans:
            gaps = gaps.with_span(began, ended)
        return gaps

    def before(self, now: Instant) -> "Gaps":
        """Without what lies after `now`: the clock was put back, and what is to come will be listened to."""
        return Gaps(tuple((began, min(ended, now)) for began, ended in self.spans if began < now))

    def missed(self, until: Instant) -> int:
        """Milliseconds before `until` in which the server did not listen."""
        index = bisect_right(self._starts, until)
        if not index:
            return 0
        return self._lost[index] - max(0, self.spans[index - 1][1] - until)

    def silence(self, since: Instant, now: Instant) -> int:
        """Milliseconds from `since` to `now` in which the server listened; the future counts as 0."""
        if not self.spans:
            return max(0, now - since)
        return max(0, now - since - (self.missed(now) - self.missed(since)))

    def with_span(self, began: Instant, ended: Instant) -> "Gaps":
        """These and one more, joined with what it touches. After a step of the clock it may lie before the last."""
        before = [span for span in self.spans if span[1] < began]
        after = [span for span in self.spans if span[0] > ended]
        if touched := self.spans[len(before) : len(self.spans) - len(after)]:
            began, ended = min(began, touched[0][0]), max(ended, touched[-1][1])
        return Gaps((*before, (began, ended), *after))


NO_GAPS: Final = Gaps()


def session_id_of(version_7: UUID) -> str:
    """An id of ours: UUID version 7 whose last 32 bits check the others, so that a client's own is never taken for one.

    Codex's thread ids are of version 7 too.
    """
    high = version_7.int >> 32
    return str(UUID(int=high << 32 | zlib.crc32(high.to_bytes(12, "big"))))


def is_version_7(text: str) -> bool:
    return _VERSION_7.fullmatch(text) is not None


def is_ours(text: str) -> bool:
    """Whether the text has the shape of an id that the server made; not whether there is such a session."""
    return is_version_7(text) and session_id_of(UUID(text)) == text.lower()


@dataclass(slots=True, eq=False)
class AgentSession:
    """A session's own words beside its registers; `None` is not known. `lease_until` is its presence stream's."""

    id: str
    project_id: str | None
    user_id: str
    token_id: str
    machine_id: str
    connected_at: Instant
    caller_origin: str | None = None
    caller_role: str | None = None
    client_version: str | None = None
    branch: str | None = None
    folder: str | None = None
    said: str | None = None
    ticket: str | None = None
    parent_session_id: str | None = None
    told_apart: bool = True
    implicit_key: str | None = None
    registers: Registers = field(default_factory=Registers)
    lease_since: Instant = 0
    lease_until: Instant = 0


class End(NamedTuple):
    at: Instant
    reason: str


class Because(NamedTuple):
    """Why a state is shown: facts with instants, never ages."""

    signal: Signal
    at: Instant
    tool: str | None = None
    tool_since: Instant | None = None
    waits_for: str | None = None
    silent_since: Instant | None = None
    question: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A session at one instant; all of it stays so until `changes_at` unless something is said of the session."""

    state: State
    because: Because
    active: bool
    connected: bool
    changes_at: Instant | None


def known(registers: Registers) -> bool:
    """Whether it was ever alive here: a session of which nothing but ends is known is kept and not shown."""
    return registers.life > 0


def end_of(registers: Registers) -> End | None:
    """The end in force (design.md 2.2 rule 3), the later one where both sides ended it, or None."""
    client, server = registers.end_c, registers.end_s
    if not client.at and not server.at:
        return None
    ends = []
    if client.at and not (registers.reopen_c > client.stamp or registers.reopen_s > client.at):
        ends.append(End(client.at, client.reason))
    if server.at and not max(registers.reopen_t, registers.reopen_s) > server.at:
        ends.append(End(server.at, server.reason))
    return max(ends, default=None)


def is_told_by_client(registers: Registers) -> bool:
    """Whether a client's own reports or a register speak for the session, not tool calls and streams alone."""
    said = (registers.reopen_c, registers.reopen_s, registers.turn_open.at, registers.wait.at, registers.end_c.at)
    return any(said) or bool(registers.tools)


def is_open(registers: Registers, key: str, tool: Tool) -> bool:
    return tool.started.stamp > max(tool.ended, barrier(registers, key))


def turn_is_open(registers: Registers) -> bool:
    return registers.turn_open.stamp > max(registers.turn_end, registers.fresh, registers.end_c.stamp)


def open_tools(registers: Registers) -> list[tuple[str, Tool]]:
    return [(key, tool) for key, tool in registers.tools.items() if is_open(registers, key, tool)]


def waits(registers: Registers, tool_open: bool) -> bool:
    """Whether it waits for a person (design.md 2.2 rule 6)."""
    stamp, tool_id = registers.wait.stamp, registers.wait.tool_id
    if not stamp:
        return False
    passed = (registers.turn_end, registers.fresh, registers.end_c.stamp, registers.prompt, registers.answered)
    if stamp <= max(passed):
        return False
    if tool_id:
        tool = registers.tools.get(tool_id)
        return tool is None or tool.ended <= stamp
    return registers.unwait <= stamp and not (registers.tool_end > stamp and not tool_open)


def signal_of(session: AgentSession, now: Instant) -> Because:
    """The first line of design.md 2.3 whose left side holds, silence aside."""
    registers = session.registers
    if end := end_of(registers):
        return Because("end", end.at)
    tools = open_tools(registers)
    if waits(registers, bool(tools)):
        wait = registers.wait
        return Because("wait", wait.at, waits_for=wait.tool or "answer", question=wait.question or None)
    if tools:
        key, tool = max(tools, key=lambda item: (not is_subagent(item[0]), item[1].started, item[0]))
        if is_subagent(key):
            return Because("subagent", tool.started.at)
        return Because("tool", tool.started.at, tool=tool.started.name or None, tool_since=tool.started.at)
    if turn_is_open(registers):
        return Because("turn", registers.turn_open.at)
    if registers.call and now - registers.call <= CALL_MS:
        return Because("call", registers.call)
    if session.lease_until > now:
        return Because("stream", session.lease_since)
    return Because("none", registers.life)


def judge(session: AgentSession, now: Instant, gaps: Gaps = NO_GAPS) -> Verdict:
    """State, reason, activity and connection at `now`, and the next instant at which any of them may read otherwise."""
    registers, because = session.registers, signal_of(session, now)
    connected = session.lease_until > now
    changes = [session.lease_until] if connected else []
    if because.signal == "end":
        return Verdict("ended", because, False, connected, min(changes, default=None))
    active = now - registers.life <= ACTIVE_MS
    if active:
        changes.append(registers.life + ACTIVE_MS + 1)
    if because.signal == "call":
        changes.append(registers.call + CALL_MS + 1)
    state, silent_for_ms = _after_silence(because.signal, gaps.silence(registers.life, now), connected)
    if silent_for_ms is not None:
        changes.append(max(now, registers.life) + silent_for_ms)
    if state in ("quiet", "lost"):
        because = because._replace(silent_since=registers.life)
    return Verdict(state, because, active, connected, min(changes, default=None))


def _after_silence(signal: Signal, silence_ms: int, connected: bool) -> tuple[State, int | None]:
    """The state after that much silence, and in how many milliseconds of silence it will be another one."""
    line = LINES["none" if signal == "stream" else signal]
    if silence_ms > line.lost_ms:
        # An open presence stream keeps a session from `lost`; the lease's end is among the instants of change.
        return (line.then, None) if connected else ("lost", None)
    if silence_ms > line.first_ms:
        return line.then, line.lost_ms + 1 - silence_ms
    return line.first, line.first_ms + 1 - silence_ms


def next_change(session: AgentSession, now: Instant, gaps: Gaps = NO_GAPS) -> Instant | None:
    """The next instant at which the session may read otherwise without any event; None if never."""
    return judge(session, now, gaps).changes_at
