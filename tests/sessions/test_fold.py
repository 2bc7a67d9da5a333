"""The registers: any order, any repetition, any split end in the same, and nothing is lost by forgetting."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from onduty.sessions.fold import (
    CHANGES_OF_CONVERSATION,
    GROWING,
    MAX_STAMP,
    ClientEnd,
    Event,
    Kind,
    Registers,
    ServerEnd,
    ended_here,
    fold,
    forgettable,
    join,
    leave_future,
    registered,
)
from onduty.sessions.model import (
    MINUTE_MS,
    AgentSession,
    Verdict,
    end_of,
    judge,
    known,
    open_tools,
    turn_is_open,
    waits,
)
from tests.sessions.histories import (
    KINDS,
    NOW,
    Item,
    any_history,
    any_registers,
    around,
    copy,
    events,
    folded,
    histories,
    instants_of,
    last_stamp,
    near_instants,
    near_stamps,
    server_words,
    session,
    told,
)

ABOUT_ONE_TOOL: tuple[Kind, ...] = ("tool_started", "tool_ended", "tool_ended", "waiting", "prompt", "turn_ended")


def with_one_id(history: list[Event]) -> list[Item]:
    return [replace(event, tool="Bash", tool_id="t1", subagent="") for event in history]


def shown(registers: Registers) -> tuple[Verdict, object]:
    return judge(session(registers), NOW), end_of(registers)


@given(any_history, st.data())
def test_any_order_and_repetition_end_in_the_same_registers(history: list[Item], data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.sampled_from(history), max_size=6)) if history else []
    assert folded(data.draw(st.permutations(history + repeats))) == folded(history)


@given(any_history, st.data())
def test_any_split_over_processes_joined_in_any_order_ends_in_the_same_registers(
    history: list[Item], data: st.DataObject
) -> None:
    processes = [Registers() for _ in range(4)]
    for item in history:
        for number in data.draw(st.sets(st.integers(0, 3), min_size=1)):
            told(processes[number], [item])
    together = Registers()
    for one in data.draw(st.permutations(processes)):
        join(together, one)
    assert together == folded(history)


@given(any_registers, any_registers, any_registers)
def test_join_is_commutative_associative_and_idempotent(a: Registers, b: Registers, c: Registers) -> None:
    assert told(copy(a), [b]) == told(copy(b), [a])
    assert told(copy(a), [b, c]) == told(copy(a), [told(copy(b), [c])])
    assert told(copy(a), [a]) == a == copy(a)


@given(any_history, any_history)
def test_registers_only_grow(history: list[Item], more: list[Item]) -> None:
    before, after = folded(history), folded(history + more)
    assert all(getattr(after, name) >= getattr(before, name) for name in GROWING)
    assert told(copy(before), [after]) == after


@given(any_history, st.one_of(events(), server_words()))
def test_nothing_but_a_start_a_prompt_or_a_register_re_opens(history: list[Item], item: Item) -> None:
    registers = folded(history)
    opens = item.kind in ("start", "prompt") and not item.subagent if isinstance(item, Event) else item.reopen_s > 0
    if end_of(registers) is not None and not opens:
        assert end_of(told(registers, [item])) is not None


@given(any_history)
def test_a_truly_last_end_ends(history: list[Item]) -> None:
    registers = folded(history)
    end = Event("e", "end", last_stamp(registers), NOW, reason="exit")
    assert end_of(told(registers, [end])) is not None


@given(any_history)
def test_a_truly_last_prompt_opens_the_session_and_the_turn(history: list[Item]) -> None:
    registers = folded(history)
    stamp = last_stamp(registers)
    if stamp == MAX_STAMP:
        return
    told(registers, [Event("e", "prompt", stamp + 1, NOW + 1)])
    assert end_of(registers) is None
    assert turn_is_open(registers)
    assert not waits(registers, bool(open_tools(registers)))
    assert judge(session(registers), NOW + 1).state == "working"


@given(any_history)
def test_a_truly_last_end_of_turn_leaves_no_turn_tool_or_wait(history: list[Item]) -> None:
    registers = folded(history)
    told(registers, [Event("e", "turn_ended", last_stamp(registers), NOW)])
    assert not turn_is_open(registers)
    assert not waits(registers, bool(open_tools(registers)))
    assert all(key.startswith("agent:") for key, _ in open_tools(registers))


@given(any_history, events(kinds=("end",)))
def test_an_end_is_no_sign_of_life(history: list[Item], end: Event) -> None:
    registers = folded(history)
    before = (registers.life, registers.call)
    fold(registers, replace(end, reason="exit"))
    assert (registers.life, registers.call) == before


@given(st.lists(events(kinds=("end",)).filter(lambda end: end.reason not in CHANGES_OF_CONVERSATION)))
def test_a_session_of_which_only_ends_are_known_is_not_known(ends: list[Event]) -> None:
    assert not known(folded(ends))


@given(any_history, events(kinds=("end",)), st.sampled_from(sorted(CHANGES_OF_CONVERSATION)))
def test_a_change_of_conversation_counts_as_turn_ended(history: list[Item], end: Event, reason: str) -> None:
    end = replace(end, reason=reason)
    assert folded([*history, end]) == folded([*history, replace(end, kind="turn_ended")])


@given(any_history, events(kinds=("end",)), st.sampled_from(("", "crashed", "deleted", "revoked", "startup")))
def test_an_end_for_a_reason_that_no_client_has_reads_other(history: list[Item], end: Event, reason: str) -> None:
    end = replace(end, subagent="")
    assert folded([*history, replace(end, reason=reason)]) == folded([*history, replace(end, reason="other")])


@given(any_history, st.sampled_from(KINDS), events())
def test_what_a_subagent_does_never_touches_turn_session_or_call(history: list[Item], kind: Kind, event: Event) -> None:
    registers = folded(history)
    before = copy(registers)
    fold(registers, replace(event, kind=kind, subagent="a"))
    assert all(getattr(registers, name) == getattr(before, name) for name in GROWING if name not in ("life", "wait"))
    started = {key for key, tool in registers.tools.items() if tool.started != before.tools.get(key, tool).started}
    assert started <= {"agent:a"}


@given(any_history, events(kinds=("tool_ended", "waiting", "answered", "activity")))
def test_only_a_prompt_or_a_tool_started_opens_a_turn(history: list[Item], event: Event) -> None:
    registers = folded(history)
    before = registers.turn_open
    fold(registers, event)
    assert registers.turn_open == before


@given(st.lists(st.one_of(events(near_stamps), server_words()), max_size=12), st.integers(1, 2**40))
def test_stamps_are_compared_with_nothing_but_stamps(history: list[Item], shift: int) -> None:
    """A client whose clock is off has other stamps; its instants are made from differences, so they are the same."""
    other = [replace(item, stamp=item.stamp + shift) if isinstance(item, Event) else item for item in history]
    mine, theirs = folded(history), folded(other)
    assert judge(session(mine), NOW) == judge(session(theirs), NOW)
    assert end_of(mine) == end_of(theirs)


one_tool = st.lists(events(st.integers(1, 6), near_instants, ABOUT_ONE_TOOL), max_size=8)


@settings(max_examples=300)
@given(st.one_of(one_tool.map(with_one_id), histories(near_stamps)), st.data())
def test_forgetting_changes_nothing_shown_now_or_after_anything_later(history: list[Item], data: st.DataObject) -> None:
    whole, forgetful = Registers(), Registers()
    for item in history:
        told(whole, [item])
        told(forgetful, [item])
        if data.draw(st.booleans()):
            for key in forgettable(forgetful):
                del forgetful.tools[key]
        assert shown(forgetful) == shown(whole)


@given(histories(near_stamps, max_size=20))
def test_what_was_forgotten_is_forgettable_again_when_it_is_repeated(history: list[Item]) -> None:
    """A table of tools does not fill up with late repeats: they fall under the same barrier."""
    registers = folded(history)
    for key in forgettable(registers):
        del registers.tools[key]
    left = set(registers.tools)
    told(registers, history)
    assert set(registers.tools) - set(forgettable(registers)) == left


@given(
    st.one_of(
        histories(near_stamps, st.one_of(near_instants, near_instants.map(lambda at: at + 3))),
        histories(near_stamps, around),
    )
)
def test_when_the_clock_was_put_back_nothing_ends_or_re_opens_and_no_future_is_left(history: list[Item]) -> None:
    registers = folded(history)
    before = copy(registers)
    changed = leave_future(registers, NOW)
    assert (end_of(registers) is None) == (end_of(before) is None)
    assert max(instants_of(registers)) <= NOW
    assert changed == (registers != before)
    assert not leave_future(registers, NOW)


@given(histories(near_stamps, around))
def test_when_the_clock_was_put_back_what_a_session_does_stays_what_it_was(history: list[Item]) -> None:
    registers = folded(history)
    before = judge(session(copy(registers)), NOW)
    leave_future(registers, NOW)
    after = judge(session(registers), NOW)
    assert (after.state, after.because.signal, after.active) == (before.state, before.because.signal, before.active)


@given(st.one_of(any_history, histories(near_stamps, around)))
def test_a_register_re_opens_whatever_has_ended_even_in_the_same_millisecond(history: list[Item]) -> None:
    registers = folded(history)
    join(registers, registered(registers, NOW))
    assert end_of(registers) is None
    assert registers.life >= NOW


@given(st.one_of(any_history, histories(near_stamps, around)))
def test_an_end_made_here_ends_even_in_the_same_millisecond_as_a_register(history: list[Item]) -> None:
    registers = folded(history)
    join(registers, registered(registers, NOW))
    join(registers, ended_here(registers, NOW, "deleted"))
    assert end_of(registers) is not None
    join(registers, registered(registers, NOW))
    assert end_of(registers) is None


def test_a_late_end_of_the_run_before_does_not_end_the_resumed_one() -> None:
    """An end belongs to a run: the resumed session started after it on the client's line, however late it arrives."""
    registers = folded([Event("1", "start", 10, NOW - 5000), Event("3", "start", 30, NOW - 1000, reason="resume")])
    fold(registers, Event("2", "end", 20, NOW - 3000, reason="exit"))
    assert end_of(registers) is None
    fold(registers, Event("4", "end", 40, NOW, reason="logout"))
    assert end_of(registers) == (NOW, "logout")


def test_a_tool_that_asks_is_answered_by_its_own_end_only() -> None:
    """Two tools run at once, one asks: the end of the other answers nothing."""
    registers = folded(
        [
            Event("1", "prompt", 1, NOW),
            Event("2", "tool_started", 2, NOW, "Bash", "t1"),
            Event("3", "tool_started", 3, NOW, "Edit", "t2"),
            Event("4", "waiting", 4, NOW, "Bash", "t1"),
            Event("5", "tool_ended", 5, NOW, "Edit", "t2"),
        ]
    )
    assert judge(session(registers), NOW).because.waits_for == "Bash"
    fold(registers, Event("6", "tool_ended", 6, NOW, "Bash", "t1"))
    assert judge(session(registers), NOW).because.signal == "turn"


def test_a_wait_without_a_tool_is_over_when_a_tool_starts_or_the_last_one_ended() -> None:
    asks = [
        Event("1", "prompt", 1, NOW),
        Event("2", "tool_started", 2, NOW, "Bash", "t1"),
        Event("3", "waiting", 3, NOW),
    ]
    assert _state(asks) == "waiting"
    assert _state([*asks, Event("4", "tool_ended", 4, NOW, "Bash", "t1")]) == "working"
    assert _state([*asks, Event("4", "tool_started", 4, NOW, "Edit", "t2")]) == "working"
    both = [asks[0], asks[1], Event("2b", "tool_started", 2, NOW, "Edit", "t2"), asks[2]]
    assert _state([*both, Event("4", "tool_ended", 4, NOW, "Edit", "t2")]) == "waiting"


def test_the_next_prompt_and_the_end_of_the_turn_leave_no_tool_open() -> None:
    """A tool whose end never came, as when a person stopped it, does not stay open for half an hour."""
    stopped = [Event("1", "prompt", 1, NOW), Event("2", "tool_started", 2, NOW, "Bash", "t1")]
    assert _signal(stopped) == "tool"
    assert _signal([*stopped, Event("3", "prompt", 3, NOW)]) == "turn"
    assert _signal([*stopped, Event("3", "turn_ended", 3, NOW)]) == "none"


def test_a_tool_without_an_id_stands_under_its_name() -> None:
    runs = [Event("1", "prompt", 1, NOW), Event("2", "tool_started", 2, NOW, "Bash")]
    assert _signal([*runs, Event("3", "tool_ended", 3, NOW, "Edit")]) == "tool"
    assert _signal([*runs, Event("3", "tool_ended", 3, NOW, "Bash")]) == "turn"


def test_a_subagents_tool_without_an_id_does_not_close_the_agents_own_of_that_name() -> None:
    runs = [Event("1", "prompt", 1, NOW), Event("2", "tool_started", 2, NOW, "Bash")]
    assert _signal([*runs, Event("3", "tool_ended", 3, NOW, "Bash", subagent="a")]) == "tool"


def test_the_agents_own_tool_is_told_before_a_subagent_that_started_later() -> None:
    both = [Event("1", "tool_started", 1, NOW, "Task", "t1"), Event("2", "subagent_started", 2, NOW, subagent="a")]
    assert _signal(both) == "tool"


def test_no_tool_is_taken_for_a_subagent_whatever_its_id_or_name() -> None:
    for tool, tool_id in (("agent:a", ""), ("Bash", "agent:a"), ("Bash", "tool:agent:a")):
        own = [Event("1", "prompt", 1, NOW), Event("2", "tool_started", 2, NOW, tool, tool_id)]
        assert _signal(own) == "tool"
        assert _signal([*own, Event("3", "subagent_ended", 3, NOW, subagent="a")]) == "tool"
        assert _signal([*own, Event("3", "turn_ended", 3, NOW)]) == "none"


def test_a_subagents_tool_end_answers_its_own_wait_and_no_other() -> None:
    asks = [Event("1", "prompt", 1, NOW), Event("2", "waiting", 2, NOW, "Bash", "t9", "a")]
    assert _state(asks) == "waiting"
    assert _state([*asks, Event("3", "tool_ended", 3, NOW, "Read", "t8", "a")]) == "waiting"
    assert _state([*asks, Event("3", "tool_ended", 3, NOW, "Bash", "t9", "a")]) == "working"


def test_a_subagent_outlives_the_turn_and_the_next_prompt_but_not_a_fresh_start() -> None:
    runs = [Event("1", "prompt", 1, NOW), Event("2", "subagent_started", 2, NOW, subagent="a")]
    assert _signal([*runs, Event("3", "turn_ended", 3, NOW), Event("4", "prompt", 4, NOW)]) == "subagent"
    assert _signal([*runs, Event("3", "start", 3, NOW, reason="compact")]) == "subagent"
    assert _signal([*runs, Event("3", "start", 3, NOW, reason="clear")]) == "none"


def _judged(history: list[Event]) -> Verdict:
    one: AgentSession = session(folded(history))
    return judge(one, NOW + MINUTE_MS)


def _state(history: list[Event]) -> str:
    return _judged(history).state


def _signal(history: list[Event]) -> str:
    return _judged(history).because.signal


def test_of_two_ends_in_force_the_later_one_is_told() -> None:
    both = Registers(end_c=ClientEnd(5, NOW - 2, "exit"), end_s=ServerEnd(NOW - 1, "deleted"))
    assert end_of(both) == (NOW - 1, "deleted")
    assert end_of(replace(both, end_c=ClientEnd(5, NOW, "exit"))) == (NOW, "exit")


def test_at_the_same_stamp_the_end_wins_and_a_wait_goes_on() -> None:
    start, prompt = Event("1", "start", 5, NOW), Event("2", "prompt", 5, NOW)
    tool, ended = Event("3", "tool_started", 5, NOW, "Bash", "t1"), Event("4", "tool_ended", 5, NOW, "Bash", "t1")
    assert end_of(folded([start, Event("5", "end", 5, NOW, reason="exit")])) == (NOW, "exit")
    assert _signal([prompt, Event("5", "turn_ended", 5, NOW)]) == "none"
    assert _signal([tool, ended]) == "turn"
    asks = Event("5", "waiting", 5, NOW, "Bash", "t1")
    assert _signal([tool, ended, asks]) == "wait"
    assert _signal([tool, ended, replace(asks, tool_id="")]) == "wait"
    for over in (prompt, Event("6", "answered", 5, NOW), start, Event("6", "turn_ended", 5, NOW)):
        assert _signal([asks, over]) != "wait"
