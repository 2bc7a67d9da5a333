"""What a session is shown as: every limit one millisecond before, at and after, and until when that stays so."""

import itertools
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from onduty.sessions.fold import ClientEnd, Event, Opened, Registers, Started, Tool, Wait
from onduty.sessions.model import (
    ACTIVE_MS,
    CALL_MS,
    HOUR_MS,
    LEASE_MS,
    MINUTE_MS,
    NO_GAPS,
    STATES,
    AgentSession,
    Gaps,
    Signal,
    State,
    is_ours,
    judge,
    next_change,
    session_id_of,
)
from tests.sessions.histories import NOW, Item, any_history, any_registers, folded, gaps, histories, session, spans

WAITS = Registers(life=NOW, wait=Wait(5, NOW, "", "Bash"))
TOOL = Registers(life=NOW, turn_open=Opened(5, NOW), tools={"t1": Tool(Started(5, NOW, "Bash"))})
SUBAGENT = Registers(life=NOW, tools={"agent:a": Tool(Started(5, NOW, ""))})
TURN = Registers(life=NOW, turn_open=Opened(5, NOW))
NONE = Registers(life=NOW)

Limit = tuple[Registers, Signal, int, State, State]
FIRST: list[Limit] = [
    (TOOL, "tool", 30 * MINUTE_MS, "working", "quiet"),
    (SUBAGENT, "subagent", 30 * MINUTE_MS, "working", "quiet"),
    (TURN, "turn", 5 * MINUTE_MS, "working", "quiet"),
]
LOST: list[Limit] = [
    (WAITS, "wait", 12 * HOUR_MS, "waiting", "lost"),
    (TOOL, "tool", 2 * HOUR_MS, "quiet", "lost"),
    (SUBAGENT, "subagent", 2 * HOUR_MS, "quiet", "lost"),
    (TURN, "turn", 30 * MINUTE_MS, "quiet", "lost"),
    (NONE, "none", 2 * HOUR_MS, "idle", "lost"),
]


def at_limit(registers: Registers, limit_ms: int, gaps: Gaps = NO_GAPS, lease_until: int = 0) -> list[State]:
    """The states one millisecond before, at and after that much time since the last sign of life."""
    one = session(registers, lease_since=NOW, lease_until=lease_until)
    return [judge(one, NOW + limit_ms + off, gaps).state for off in (-1, 0, 1)]


@pytest.mark.parametrize(("registers", "signal", "limit_ms", "before", "after"), FIRST + LOST)
def test_each_limit_of_silence(
    registers: Registers, signal: Signal, limit_ms: int, before: State, after: State
) -> None:
    assert at_limit(registers, limit_ms) == [before, before, after]
    one = session(registers)
    assert next_change(one, NOW + limit_ms) == NOW + limit_ms + 1
    assert judge(one, NOW + limit_ms + 1).because.signal == signal


@pytest.mark.parametrize(("registers", "signal", "limit_ms", "before", "after"), FIRST + LOST)
@pytest.mark.parametrize("gap_ms", [1, 1_000, 4 * HOUR_MS])
def test_each_limit_counts_only_while_the_server_listened(
    registers: Registers, signal: Signal, limit_ms: int, before: State, after: State, gap_ms: int
) -> None:
    for began in (NOW, NOW + 1, NOW + limit_ms - 1):
        missed = Gaps(((began, began + gap_ms),))
        assert at_limit(registers, limit_ms + gap_ms, missed)[1:] == [before, after]
        assert at_limit(registers, limit_ms, missed)[1] in (before, "working")
    both_sides = Gaps(((NOW - gap_ms, NOW), (NOW + 10, NOW + 10 + gap_ms)))
    assert at_limit(registers, limit_ms + gap_ms, both_sides) == [before, before, after]


@pytest.mark.parametrize(("registers", "signal", "limit_ms", "before", "after"), LOST)
def test_an_open_presence_stream_keeps_from_lost_until_its_lease_ends(
    registers: Registers, signal: Signal, limit_ms: int, before: State, after: State
) -> None:
    assert at_limit(registers, limit_ms, lease_until=NOW + limit_ms + 2) == [before] * 3
    one = session(registers, lease_until=NOW + 3 * limit_ms)
    assert judge(one, NOW + 3 * limit_ms - 1).state == before
    assert judge(one, NOW + 3 * limit_ms).state == "lost"


@pytest.mark.parametrize(("registers", "signal", "limit_ms", "before", "after"), FIRST)
def test_an_open_presence_stream_does_not_keep_from_quiet(
    registers: Registers, signal: Signal, limit_ms: int, before: State, after: State
) -> None:
    assert at_limit(registers, limit_ms, lease_until=NOW + limit_ms + 2) == [before, before, after]


def test_sixty_seconds_after_a_call_are_plain_time() -> None:
    """A gap in listening makes nobody longer at work; the call was over before."""
    called = Registers(life=NOW, call=NOW)
    assert at_limit(called, CALL_MS) == ["working", "working", "idle"]
    assert at_limit(called, CALL_MS, Gaps(((NOW + 1, NOW + 59_000),))) == ["working", "working", "idle"]
    assert at_limit(called, 2 * HOUR_MS) == ["idle", "idle", "lost"]
    assert next_change(session(called), NOW) == NOW + CALL_MS + 1


def test_active_is_three_hundred_seconds_of_plain_time() -> None:
    """The contract's word: neither a gap nor a stream lengthens it, and ended sessions are not active."""
    one = session(NONE, lease_until=NOW + HOUR_MS)
    missed = Gaps(((NOW, NOW + ACTIVE_MS),))
    assert [judge(one, NOW + ACTIVE_MS + off, missed).active for off in (-1, 0, 1)] == [True, True, False]
    assert judge(one, NOW - HOUR_MS).active, "the future counts as now"
    assert not judge(session(replace(NONE, end_c=ClientEnd(1, NOW, "exit"))), NOW).active


def test_a_lease_ends_at_its_instant() -> None:
    one = session(NONE, lease_since=NOW, lease_until=NOW + LEASE_MS)
    assert [judge(one, NOW + LEASE_MS + off).connected for off in (-1, 0)] == [True, False]
    assert judge(one, NOW).because.signal == "stream"
    assert judge(one, NOW).changes_at == NOW + LEASE_MS
    assert judge(one, NOW + LEASE_MS).because.signal == "none"


def test_a_stream_makes_nobody_working() -> None:
    assert judge(session(NONE, lease_until=NOW + LEASE_MS), NOW).state == "idle"


def test_an_ended_session_changes_with_its_lease_alone() -> None:
    ended = replace(WAITS, end_c=ClientEnd(9, NOW, "exit"))
    assert judge(session(ended), NOW).changes_at is None
    assert judge(session(ended, lease_until=NOW + 5), NOW).changes_at == NOW + 5


def test_the_first_line_that_holds_is_shown() -> None:
    """Ended before waiting, waiting before a tool, a tool before a sub-agent, then the turn, a call, nothing."""
    tools = {**TOOL.tools, **SUBAGENT.tools}
    full = replace(WAITS, call=NOW, turn_open=Opened(5, NOW), tools=tools, end_c=ClientEnd(4, NOW, "exit"))
    signals = []
    steps: list[dict[str, Any]] = [
        {},
        {"end_c": ClientEnd()},
        {"wait": Wait()},
        {"tools": SUBAGENT.tools},
        {"tools": {}},
        {"turn_open": Opened()},
        {"call": 0},
    ]
    for without in steps:
        full = replace(full, **without)
        signals.append(judge(session(full), NOW).because.signal)
    assert signals == ["end", "wait", "tool", "subagent", "turn", "call", "none"]


def test_because_says_since_when_it_is_silent() -> None:
    quiet = judge(session(TOOL), NOW + HOUR_MS).because
    assert (quiet.signal, quiet.tool, quiet.tool_since, quiet.silent_since) == ("tool", "Bash", NOW, NOW)
    assert judge(session(TOOL), NOW + 1).because.silent_since is None
    assert judge(session(replace(WAITS, wait=Wait(5, NOW))), NOW).because.waits_for == "answer"


def test_a_question_is_told_with_its_wait_alone() -> None:
    """Its words are a fact beside the others; once it was answered nothing tells them."""
    asked = replace(WAITS, wait=Wait(5, NOW, "t1", "Bash", "May I?"))
    because = judge(session(asked), NOW + 13 * HOUR_MS).because
    assert (because.signal, because.waits_for, because.question) == ("wait", "Bash", "May I?")
    assert because.silent_since == NOW
    assert judge(session(WAITS), NOW).because.question is None
    for over in ({"answered": 6}, {"prompt": 6}, {"end_c": ClientEnd(6, NOW, "exit")}):
        assert judge(session(replace(asked, **over)), NOW).because.question is None


def test_a_server_that_was_down_for_four_hours_finds_nobody_lost() -> None:
    """Silence is evidence only while we were listening: all night down, and in the morning all are as they were."""
    down = Gaps(((NOW + 1_000, NOW + 1_000 + 4 * HOUR_MS),))
    back = NOW + 1_000 + 4 * HOUR_MS
    for registers, state in ((WAITS, "waiting"), (TOOL, "working"), (TURN, "working"), (NONE, "idle")):
        one = session(registers)
        assert judge(one, back, down).state == state
        assert judge(one, back + 29 * MINUTE_MS, down).state != "lost"
        assert judge(one, back, down).active is False, "the contract's plain 300 s are over"
        assert judge(one, back + 12 * HOUR_MS, down).state == "lost"


instants = st.integers(-(2**70), 2**70)


@given(any_registers, instants, instants, instants, gaps())
def test_every_session_reads_something_at_any_instant(
    registers: Registers, now: int, since: int, until: int, missed: Gaps
) -> None:
    verdict = judge(session(registers, lease_since=since, lease_until=until), now, missed)
    assert verdict.state in STATES
    assert verdict.changes_at is None or verdict.changes_at > now
    assert not (verdict.active and verdict.state == "ended")


sessions = st.builds(
    lambda history, lease, length: session(folded(history), lease_since=lease, lease_until=lease + length),
    st.one_of(any_history, histories()),
    spans.map(lambda span: NOW - span),
    st.one_of(st.just(0), spans),
)
moments = st.one_of(spans.map(lambda span: NOW + span), spans.map(lambda span: NOW - span))


@given(sessions, moments, gaps(NOW + 3 * HOUR_MS), st.data())
def test_nothing_shown_changes_before_next_change(
    one: AgentSession, now: int, missed: Gaps, data: st.DataObject
) -> None:
    verdict = judge(one, now, missed)
    until = now + 400 * HOUR_MS if verdict.changes_at is None else verdict.changes_at
    for later in (now, now + 1, until - 1, data.draw(st.integers(now, until - 1))):
        if now <= later < until:
            assert replace(judge(one, later, missed), changes_at=None) == replace(verdict, changes_at=None)


@given(sessions, moments)
def test_next_change_is_not_too_early(one: AgentSession, now: int) -> None:
    """Without a gap ahead and without a stream, that instant is the very one: nothing is asked again for nothing."""
    verdict = judge(one, now)
    assume(not verdict.connected and verdict.changes_at is not None and one.registers.life > 0)
    then = judge(one, verdict.changes_at or 0)
    assert replace(then, changes_at=None) != replace(verdict, changes_at=None)


@given(sessions, moments, gaps())
def test_next_change_is_the_verdicts(one: AgentSession, now: int, missed: Gaps) -> None:
    assert next_change(one, now, missed) == judge(one, now, missed).changes_at


@given(any_history, st.integers(0, 28 * HOUR_MS))
def test_a_late_delivery_makes_nobody_alive_again(history: list[Item], age: int) -> None:
    """A spool that comes hours later says what was then: active only if it was within 300 s."""
    registers = folded(history)
    late = folded([*history, Event("e", "tool_started", 5, NOW - age, "Bash")])
    assert late.life == max(registers.life, NOW - age)
    if registers.life < NOW - ACTIVE_MS:
        assert judge(session(late), NOW).active == (age <= ACTIVE_MS and judge(session(late), NOW).state != "ended")


small_gaps = st.lists(st.integers(0, 40), unique=True, max_size=8).map(
    lambda edges: tuple(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
)


@given(small_gaps, st.integers(-5, 45), st.integers(-5, 45))
def test_silence_counts_each_millisecond_that_the_server_listened(
    spans: tuple[tuple[int, int], ...], since: int, now: int
) -> None:
    listened = [ms for ms in range(since, now) if not any(began <= ms < ended for began, ended in spans)]
    assert Gaps(spans).silence(since, now) == len(listened)


def test_silence_at_the_edges_of_a_gap() -> None:
    missed = Gaps(((10, 20),))
    assert [missed.silence(0, now) for now in (9, 10, 11, 19, 20, 21)] == [9, 10, 10, 10, 10, 11]
    assert [missed.silence(since, 30) for since in (9, 10, 11, 19, 20, 21)] == [11, 10, 10, 10, 10, 9]
    assert missed.silence(30, 0) == 0, "the future counts as 0"
    assert missed.silence(12, 18) == 0


@given(small_gaps, st.integers(0, 40), st.integers(0, 20))
def test_one_more_gap_joins_those_that_it_touches(spans: tuple[tuple[int, int], ...], began: int, length: int) -> None:
    """Also one that lies before what is known, as after a step of the clock: none of them is lost."""
    more = Gaps(spans).with_span(began, began + length)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(more.spans))
    assert covered(more.spans) == covered((*spans, (began, began + length)))


def covered(spans: tuple[tuple[int, int], ...]) -> set[int]:
    return {ms for began, ended in spans for ms in range(began, ended)}


def test_an_id_of_ours_is_told_from_a_clients_own_of_the_same_version() -> None:
    """Codex's thread ids are of version 7 as well; only the check in the last 32 bits tells."""
    ours = session_id_of(UUID("0198f0a4-1111-7222-8333-444444444444"))
    assert is_ours(ours)
    assert is_ours(ours.upper())
    assert UUID(ours).version == 7
    for other in ("0198f0a4-1111-7222-8333-444444444444", "", "no id", ours + "0", ours[:-1]):
        assert not is_ours(other)
