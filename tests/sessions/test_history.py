"""A session's states over time are what the rules say at each instant, and the last is what everybody is told now."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from onduty.sessions.fold import Event, ServerEnd
from onduty.sessions.history import store
from onduty.sessions.history.model import Span, states_over_time, sub_agents
from onduty.sessions.model import HOUR_MS, LEASE_MS, MINUTE_MS, Gaps, judge, known
from tests.database.places import Place
from tests.people import BOB
from tests.sessions.histories import (
    NOW,
    Item,
    any_history,
    events,
    folded,
    gaps,
    near_instants,
    near_stamps,
    past,
    session,
    spans,
)
from tests.sessions.office import Office, in_office

some_events = st.lists(st.one_of(events(near_stamps), events(near_stamps, near_instants), events()), max_size=12)


def told(items: list[Item]) -> list[Event]:
    return [replace(item, id=str(number)) for number, item in enumerate(items) if isinstance(item, Event)]


@given(any_history, gaps(), st.one_of(st.just(0), spans))
def test_the_last_state_is_the_one_that_is_told_now(items: list[Item], missed: Gaps, after: int) -> None:
    one = session(folded(items))
    if known(one.registers):
        over_time = states_over_time(one, told(items), NOW + after, missed)
        assert over_time[-1].state == judge(one, NOW + after, missed).state
        is_whole(over_time, NOW + after)


def is_whole(over_time: list[Span], until: int) -> None:
    """One follows the other without a hole, and each is another state than the one before."""
    assert over_time[-1].ended == until
    for before, after in pairwise(over_time):
        assert before.ended == after.began
        assert before.state != after.state
        assert before.lasted_ms > 0


@given(some_events, gaps(), past)
def test_at_each_instant_it_is_what_the_rules_say_of_what_had_happened_by_then(
    happened: list[Event], missed: Gaps, at: int
) -> None:
    over_time = states_over_time(session(folded(happened)), told(list(happened)), NOW, missed)
    then = session(folded([event for event in happened if event.at <= at]))
    was = next((span for span in over_time if span.began <= at < span.ended), None)
    if at == NOW:
        assert over_time[-1].state == judge(then, NOW, missed).state
    elif known(then.registers):
        assert was is not None
        assert was.state == judge(then, at, missed).state
    else:
        assert was is None


@given(some_events, st.randoms())
def test_the_order_in_which_events_came_changes_nothing(happened: list[Event], order: object) -> None:
    items = told(list(happened))
    one = session(folded(happened))
    before = states_over_time(one, items, NOW)
    order.shuffle(items)  # type: ignore[attr-defined]
    assert states_over_time(one, items, NOW) == before


def test_a_day_s_work_reads_as_it_was() -> None:
    start = NOW - 8 * HOUR_MS
    happened = [
        Event("1", "start", 1, start),
        Event("2", "prompt", 2, start + MINUTE_MS),
        Event("3", "tool_started", 3, start + 2 * MINUTE_MS, "Bash", "t1"),
        Event("4", "waiting", 4, start + 3 * MINUTE_MS, "Bash", "t1"),
        Event("5", "tool_ended", 5, start + 10 * MINUTE_MS, "Bash", "t1"),
        Event("6", "turn_ended", 6, start + 12 * MINUTE_MS),
        Event("7", "prompt", 7, start + HOUR_MS),
    ]
    one = session(folded([*happened]))
    one.registers.end_s = ServerEnd(start + 2 * HOUR_MS, "deleted")
    over_time = states_over_time(one, happened, NOW)
    minutes = [(span.state, (span.began - start) // MINUTE_MS, span.calls) for span in over_time]
    assert minutes == [
        ("idle", 0, 0),
        ("working", 1, 1),
        ("waiting", 3, 0),
        ("working", 10, 0),
        ("idle", 12, 0),
        ("working", 60, 0),
        ("quiet", 65, 0),
        ("lost", 90, 0),
        ("ended", 120, 0),
    ]
    assert over_time[2].because.waits_for == "Bash"


def test_of_calls_the_last_is_known_and_nothing_before_it() -> None:
    """A session that only calls: that it was idle in between would be made up."""
    one = session(folded([]))
    one.registers.life = one.registers.call = NOW - 90_000
    assert [(span.state, span.began) for span in states_over_time(one, [], NOW)] == [
        ("working", NOW - 90_000),
        ("idle", NOW - 29_999),
    ]


def test_an_open_stream_keeps_it_from_being_lost() -> None:
    happened = [Event("1", "start", 1, NOW - 9 * HOUR_MS)]
    one = session(folded([*happened]), lease_since=NOW - 8 * HOUR_MS, lease_until=NOW + LEASE_MS)
    assert [span.state for span in states_over_time(one, happened, NOW)] == ["idle"]


def test_sub_agents_run_until_their_end_is_told() -> None:
    happened = [
        Event("1", "subagent_started", 1, NOW - 5_000, "explore", subagent="a"),
        Event("2", "subagent_started", 2, NOW - 4_000, "test-runner", subagent="b"),
        Event("3", "subagent_ended", 3, NOW - 1_000, subagent="a"),
    ]
    found = sub_agents(folded([*happened]), happened)
    assert [(each.name, each.runs, each.ended) for each in found] == [
        ("test-runner", True, None),
        ("explore", False, NOW - 1_000),
    ]


def test_events_are_paged_newest_first_and_children_are_found(place: Place) -> None:
    async def story(office: Office) -> None:
        mine = await office.register(BOB, "mine")
        other = await office.register(BOB, "other", parent=mine.id)
        batch = office.batch(
            *(office.told(f"e{n}", "activity", age=n // 2 * 1_000, session="mine") for n in range(7)),
            office.told("x", "activity", session="other"),
        )
        await office.events.record(office.one(BOB), batch)
        seen: list[str] = []
        before = None
        while page := await office.database.read(partial(store.newest, session_id=mine.id, limit=3, before=before)):
            seen += [event.id for event in page]
            before = (page[-1].at, page[-1].id)
        assert seen == ["e1", "e0", "e3", "e2", "e5", "e4", "e6"]
        assert await office.database.read(lambda reader: store.count(reader, mine.id)) == 7
        assert await office.database.read(lambda reader: store.children(reader, mine.id, 9)) == [other.id]

    in_office(place, story)
