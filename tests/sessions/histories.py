"""Everything that can be said of a session, as hypothesis draws it: few values, so that ties and edges are common."""

from collections.abc import Iterable, Sequence
from typing import Final, get_args

from hypothesis import strategies as st

from onduty.clock import Instant
from onduty.sessions.fold import (
    CLIENT_END_REASONS,
    MAX_STAMP,
    ClientEnd,
    Event,
    Kind,
    Opened,
    Registers,
    ServerEnd,
    Started,
    Tool,
    Wait,
    fold,
    join,
)
from onduty.sessions.model import HOUR_MS, MINUTE_MS, AgentSession, Gaps

NOW: Final[Instant] = 1_764_000_000_000
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Item = Event | Registers
"""An event, or what the server itself raises: a register, a call, an end."""

_SPANS = (0, 1, 999, 59_999, 60_000, 60_001, 299_999, 300_000, 300_001, *(n * HOUR_MS for n in (1, 2, 3, 12, 28)))
_REASONS = ("", "startup", "compact", "clear", "resume", "exit", "logout", "no such word")

near_stamps = st.integers(1, 12)
stamps = st.one_of(st.integers(0, 12), st.integers(0, MAX_STAMP), st.sampled_from((0, MAX_STAMP - 1, MAX_STAMP)))
spans = st.one_of(st.sampled_from(_SPANS), st.integers(0, 28 * HOUR_MS))
past = spans.map(lambda span: NOW - span)
"""Instants of events on the server's line: never later than `NOW`, for an age is never below 0."""
near_instants = st.integers(NOW - 4, NOW)
around = st.one_of(near_instants, past, spans.map(lambda span: NOW + span))
"""Instants before and, once the clock was put back, after `NOW`."""


def events(
    stamps: st.SearchStrategy[int] = stamps,
    at: st.SearchStrategy[Instant] = past,
    kinds: Sequence[Kind] = KINDS,
) -> st.SearchStrategy[Event]:
    """One event of any kind, by the agent or a sub-agent of it, its tool with or without an id."""
    return st.builds(
        _event,
        st.sampled_from(kinds),
        stamps,
        at,
        st.sampled_from(("", "Bash", "Edit", "agent:a")),
        st.sampled_from(("", "t1", "t2", "agent:a", "tool:t1")),
        st.sampled_from(("", "", "", "a", "b")),
        st.sampled_from(_REASONS),
        st.sampled_from(("", "May I?", "é?")),
    )


def _event(
    kind: Kind, stamp: int, at: Instant, tool: str, tool_id: str, subagent: str, reason: str, question: str
) -> Event:
    if kind.startswith("subagent"):
        subagent = subagent or "a"
    return Event("id", kind, stamp, at, tool, tool_id, subagent, reason, question)


def server_words(at: st.SearchStrategy[Instant] = past) -> st.SearchStrategy[Registers]:
    """What is made at the server: it has an instant and no stamp."""
    reasons = st.sampled_from(("deleted", "end_session", "moved", "revoked"))
    return st.one_of(
        at.map(lambda now: Registers(life=now, call=now)),
        at.map(lambda now: Registers(life=now, call=now, reopen_s=now)),
        st.builds(lambda now, reason: Registers(end_s=ServerEnd(now, reason)), at, reasons),
    )


def histories(
    stamps: st.SearchStrategy[int] = stamps, at: st.SearchStrategy[Instant] = past, max_size: int = 12
) -> st.SearchStrategy[list[Item]]:
    """All that is said of a session, by its client and at the server."""
    return st.lists(st.one_of(events(stamps, at), events(stamps, at), server_words(at)), max_size=max_size)


any_history = st.one_of(histories(near_stamps, near_instants), histories(near_stamps), histories())


def told(registers: Registers, items: Iterable[Item]) -> Registers:
    """Fold and join it all into the registers, in place."""
    for item in items:
        if isinstance(item, Event):
            fold(registers, item)
        else:
            join(registers, item)
    return registers


def folded(items: Iterable[Item]) -> Registers:
    return told(Registers(), items)


def copy(registers: Registers) -> Registers:
    """The same once more; that is what joining with nothing gives."""
    one = Registers()
    join(one, registers)
    return one


def last_stamp(registers: Registers) -> int:
    """The latest stamp that any register knows."""
    tools = [stamp for tool in registers.tools.values() for stamp in (tool.started.stamp, tool.ended)]
    own = [registers.reopen_c, registers.turn_end, registers.prompt, registers.fresh]
    own += [registers.unwait, registers.answered, registers.tool_end]
    return max(*own, registers.end_c.stamp, registers.turn_open.stamp, registers.wait.stamp, *tools)


def instants_of(registers: Registers) -> list[Instant]:
    """Every instant that any register knows."""
    plain = [registers.life, registers.call, registers.reopen_t, registers.reopen_s]
    tuples = [registers.end_c.at, registers.end_s.at, registers.turn_open.at, registers.wait.at]
    return plain + tuples + [tool.started.at for tool in registers.tools.values()]


_words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6)
_tools = st.builds(Tool, st.builds(Started, stamps, past, _words), stamps)
any_registers = st.builds(
    Registers,
    **dict.fromkeys(("life", "call", "reopen_t", "reopen_s"), past),
    **dict.fromkeys(("reopen_c", "turn_end", "prompt", "fresh", "unwait", "answered", "tool_end"), stamps),
    end_c=st.builds(ClientEnd, stamps, past, st.sampled_from(sorted(CLIENT_END_REASONS))),
    end_s=st.builds(ServerEnd, past, st.sampled_from(("deleted", "moved"))),
    turn_open=st.builds(Opened, stamps, past),
    wait=st.builds(Wait, stamps, past, _words, _words, _words),
    tools=st.dictionaries(st.sampled_from(("t1", "t2", "agent:a", "Bash", "é")), _tools, max_size=4),
)
"""Registers of any content, whether a history leads there or not."""


def session(
    registers: Registers, *, lease_since: Instant = 0, lease_until: Instant = 0, **words: object
) -> AgentSession:
    """Alice's session with these registers; `words` replaces any other field."""
    one = AgentSession("s", "p", "alice", "token", "laptop", NOW, registers=registers)
    one.lease_since, one.lease_until = lease_since, lease_until
    for word, value in words.items():
        setattr(one, word, value)
    return one


@st.composite
def gaps(draw: st.DrawFn, end: Instant = NOW) -> Gaps:
    """Up to four spans before `end` in which the server did not listen."""
    spans, at = [], end - draw(st.integers(0, HOUR_MS))
    for _ in range(draw(st.integers(0, 4))):
        began = at - draw(st.integers(1, 4 * HOUR_MS))
        spans.append((began, at))
        at = began - draw(st.integers(1, 40 * MINUTE_MS))
    return Gaps(tuple(reversed(spans)))
