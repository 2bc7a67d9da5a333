"""What a stream tells of a project: whoever follows it has the list, whatever happened, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onduty.sessions.fold import Event, Kind
from onduty.sessions.listing import query_of
from onduty.sessions.model import ACTIVE_MS, CALL_MS, LEASE_MS, MINUTE_MS, ON_DUTY, State
from onduty.sessions.registry import Registry
from onduty.sessions.stream import ALIVE_EVERY_MS, KEPT_CHANGES, Change, Feed, Numbers
from onduty.sessions.stream_wire import Wire, number_of
from onduty.sessions.streams import TOLD
from tests.sessions.histories import NOW
from tests.sessions.test_listing import Operation, filled, happen, listed, operations, staffed, waits

Row = dict[str, Any]


def fed(registry: Registry, now: int = NOW) -> Feed:
    feed = Feed.of("p", registry, Numbers(), now)
    registry.on_touch.append(lambda session: feed.touched.update({session.id: None}))
    return feed


@dataclass
class Follower:
    """Somebody who looks at these states and has what they were told; `number` is the last they heard."""

    states: frozenset[State]
    rows: dict[str, Row] = field(default_factory=dict)
    number: int = 0

    def begin(self, feed: Feed) -> None:
        self.rows = {told.row["session_id"]: told.row for told in feed.rows_in(self.states)}
        self.number = feed.numbers.last

    def hear(self, changes: Iterable[Change]) -> None:
        for change in changes:
            kind = change.kind(self.states)
            if kind == "session":
                assert change.told is not None
                self.rows[change.session_id] = change.told.row
            elif kind == "gone":
                del self.rows[change.session_id]  # what was never told is never gone
            self.number = change.number


def in_list(registry: Registry, states: Iterable[State], now: int) -> dict[str, Row]:
    answer = listed(registry, query_of("p", False, ",".join(states), None, None), now)
    return {row["session_id"]: row for row in json.loads(answer.body)["sessions"]}


def but_alive(rows: dict[str, Row]) -> dict[str, Row]:
    """The rows without what a mere sign of life moves."""
    found = {}
    for session_id, row in rows.items():
        moving = row["because"]["signal"] in ("call", "none")
        because = {**row["because"], "at": "-"} if moving else row["because"]
        found[session_id] = {**row, "last_activity_at": "-", "because": because}
    return found


chosen = st.sampled_from((ON_DUTY, TOLD, frozenset({"waiting"}), frozenset({"working", "lost"})))


@settings(max_examples=300)
@given(st.lists(st.tuples(operations, waits), min_size=5, max_size=30), chosen, st.data())
def test_who_follows_has_the_list_at_every_moment(
    steps: list[tuple[Operation, int]], states: frozenset[State], data: st.DataObject
) -> None:
    """A look follows what is said, and else is taken when the feed says so: nobody asks in between."""
    registry, _ = staffed()
    feed, now = fed(registry), NOW
    follower, broken = Follower(states), Follower(states)
    follower.begin(feed)
    broken.begin(feed)
    back_at = data.draw(st.integers(0, len(steps)))
    for number, (operation, wait) in enumerate(steps):
        operation(registry, now)
        follower.hear(feed.changes(now))
        then = now + wait
        while (look := feed.next_look()) is not None and look <= then:
            assert look > now or not feed.touched
            now = max(now, look)
            follower.hear(feed.changes(now))
        now = then
        expected = in_list(registry, states, now)
        assert but_alive(follower.rows) == but_alive(expected)
        late = {i for i, row in follower.rows.items() if row != expected[i]}
        assert late <= set(feed.alive), "only a row that was told within the last second may lack a sign of life"
        if number == back_at:
            missed = feed.since(broken.number)
            assert missed is not None
            broken.hear(missed)
            assert broken.rows == follower.rows, "who comes back has what those have who stayed"
    follower.hear(feed.changes(now, alive_every_ms=0))
    assert follower.rows == in_list(registry, states, now)
    assert not feed.alive
    assert {told.state for told in feed.rows.values()} <= TOLD, "no ended session is kept"


def test_many_calls_between_two_looks_are_one_change_and_one_a_second() -> None:
    registry = filled(NOW)
    feed, one, told = fed(registry), registry.sessions["s00"], 0
    for at in range(NOW, NOW + 10_000, 100):
        for _ in range(50):
            registry.record_call(one, at)
        told += len(feed.changes(at))
    assert told == 10


def test_a_change_of_state_never_waits_for_the_second() -> None:
    registry = filled(NOW)
    feed = fed(registry)
    kinds: tuple[Kind, ...] = ("prompt", "waiting", "answered", "turn_ended")
    states = []
    for at, kind in enumerate(kinds, NOW + 1):
        happen(0, Event(kind, kind, at, at), 0)(registry, at)
        [change] = feed.changes(at)
        assert change.told is not None
        states.append(change.told.state)
    assert states == ["working", "waiting", "working", "idle"]


@pytest.mark.parametrize(
    ("kind", "after", "state"),
    [("prompt", ACTIVE_MS + 1, "quiet"), ("prompt", 30 * MINUTE_MS + 1, "lost"), ("call", CALL_MS + 1, "idle")],
)
def test_what_time_alone_makes_is_told_at_its_millisecond(kind: str, after: int, state: State) -> None:
    registry = filled(NOW - 1)
    feed = fed(registry)
    if kind == "call":
        registry.record_call(registry.sessions["s00"], NOW)
    else:
        happen(0, Event("e", "prompt", NOW, NOW), 0)(registry, NOW)
    feed.changes(NOW)
    looks: list[int] = []
    while feed.rows["s00"].state != state:
        look = feed.next_look()
        assert look is not None
        feed.changes(look)
        looks.append(look)
    assert looks[-1] == NOW + after
    assert len(looks) <= 5, "it sleeps in between"


def test_a_busy_row_keeps_one_look_ahead() -> None:
    registry = filled(NOW)
    feed, one = fed(registry), registry.sessions["s00"]
    for at in range(NOW, NOW + 3_600_000, 500):
        registry.record_call(one, at)
        registry.lease(one, at, at + LEASE_MS)
        feed.changes(at)
    assert len(feed._due) < 20


def test_after_a_thousand_changes_a_number_is_too_old_and_one_to_come_is_unknown() -> None:
    registry = filled(NOW)
    feed, one = fed(registry), registry.sessions["s00"]
    begun = feed.numbers.last
    for number in range(KEPT_CHANGES + 1):
        one.said = f"{number}"
        registry.touch(one)
        assert len(feed.changes(NOW)) == 1
    assert feed.since(begun) is None
    [change] = feed.since(begun + 1) or []
    assert change.told is not None
    assert change.told.row["said"] == f"{KEPT_CHANGES}"
    assert feed.since(feed.numbers.last) == []
    assert feed.since(feed.numbers.last + 1) is None


def test_nothing_before_the_first_look_is_known() -> None:
    """Of a project that nobody looked at no number is known, though none was given since."""
    numbers = Numbers()
    before = numbers.last
    assert Feed.of("p", filled(NOW), numbers, NOW).since(before) is None


def test_an_event_is_made_once_for_all_who_get_the_same() -> None:
    asked: list[str] = []

    def dress(row: Row, viewer: str, project_id: str) -> dict[str, str]:
        asked.append(viewer)
        return {"html": f"<p>{viewer == row['user_id']}</p>"}

    registry = filled(NOW)
    feed, wire = fed(registry), Wire("x", NOW, dress)
    registry.record_call(registry.sessions["s00"], NOW)
    [change] = feed.changes(NOW)
    assert change.told is not None
    mine = change.told.user_id
    plain = {wire.change(change, "session", "p", None) for _ in range(5)}
    own, others = wire.change(change, "session", "p", mine), {wire.change(change, "session", "p", w) for w in "abc"}
    assert len(plain) == len(others) == 1
    assert asked == [mine, "a"]
    assert (b"<p>True</p>" in own, b"<p>True</p>" in next(iter(others)), b"html" in next(iter(plain))) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize(
    "text", [None, "", "x", "x:", "y:7", "x:-1", "x:7 ", "x:\u0667", "x:7:7", "7", "x:" + "9" * 99]
)
def test_an_id_that_is_none_of_ours_is_unknown(text: str | None) -> None:
    assert number_of("x", text) is None
    assert number_of("x", "x:7") == 7


def test_a_second_is_the_most_that_a_sign_of_life_waits() -> None:
    registry = filled(NOW)
    feed, one = fed(registry), registry.sessions["s00"]
    registry.record_call(one, NOW)
    feed.changes(NOW)
    registry.record_call(one, NOW + 1)
    assert feed.changes(NOW + 1) == []
    assert feed.next_look() == NOW + ALIVE_EVERY_MS
    assert len(feed.changes(NOW + ALIVE_EVERY_MS)) == 1
