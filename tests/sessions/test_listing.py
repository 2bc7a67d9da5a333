"""Lists: pages that miss nobody, tags that mean what they say, and a kept body that always reads like a fresh one."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onduty.errors import Invalid
from onduty.sessions.fold import ClientEnd, Event, Registers, called, ended_here, fold, join, registered
from onduty.sessions.listing import (
    PAGE,
    ActiveView,
    Listing,
    Query,
    assemble,
    matching,
    page,
    query_of,
    render,
)
from onduty.sessions.model import (
    ACTIVE_MS,
    CALL_MS,
    HOUR_MS,
    LEASE_MS,
    MINUTE_MS,
    ON_DUTY,
    AgentSession,
    end_of,
    judge,
)
from onduty.sessions.registry import Registry, implicit_key_of
from tests.sessions.histories import NOW, copy, events, session

EVERYTHING = query_of("p", False, None, None, None)


def ids(listing: Listing) -> list[str]:
    return [row["session_id"] for row in json.loads(listing.body)["sessions"]]


def filled(*lives: int) -> Registry:
    registry = Registry()
    for number, life in enumerate(lives):
        registry.adopt(session(Registers(life=life), id=f"s{number:02}"))
    return registry


def listed(registry: Registry, query: Query, now: int = NOW) -> Listing:
    return page(matching(registry.of_project(query.project_id), query, registry, now), query, registry, now)


def test_newest_activity_comes_first_then_the_id() -> None:
    assert ids(listed(filled(NOW - 5, NOW, NOW - 5, NOW - 1), EVERYTHING)) == ["s01", "s03", "s00", "s02"]


def test_the_active_ones_come_all_and_the_others_a_thousand_a_page() -> None:
    registry = filled(*[NOW] * (PAGE + 1))
    everybody = listed(registry, query_of("p", True, None, None, None))
    assert (len(ids(everybody)), everybody.next_cursor) == (PAGE + 1, None)
    first = listed(registry, EVERYTHING)
    assert len(ids(first)) == PAGE
    rest = listed(registry, query_of("p", False, None, None, first.next_cursor))
    assert (len(ids(rest)), rest.next_cursor) == (1, None)
    assert json.loads(first.body)["next_cursor"] == first.next_cursor
    assert "next_cursor" not in json.loads(rest.body)


def test_a_page_that_is_just_full_is_the_last() -> None:
    registry = filled(NOW, NOW)
    assert listed(registry, query_of("p", False, None, 2, None)).next_cursor is None
    assert listed(registry, query_of("p", False, None, 1, None)).next_cursor is not None


Change = tuple[int, str]
changes = st.lists(st.tuples(st.integers(0, 11), st.sampled_from(("act", "end", "lose", "new"))), max_size=5)


@given(
    st.lists(st.integers(NOW - 3, NOW), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(1, 4), changes), min_size=12, max_size=12),
    st.sampled_from(((True, None), (False, None), (False, "idle,working,ended"))),
)
def test_while_rows_change_between_pages_none_comes_twice_and_each_that_did_not_comes_once(
    lives: list[int], steps: list[tuple[int, list[Change]]], asked: tuple[bool, str | None]
) -> None:
    registry, seen, changed, cursor, now = filled(*lives), list[str](), set[str](), None, NOW
    for limit, between in steps:
        answer = listed(registry, query_of("p", *asked, limit, cursor), now)
        seen += ids(answer)
        cursor = answer.next_cursor
        if cursor is None:
            break
        now += 1
        changed |= {apply(registry, number, what, now) for number, what in between}
    assert cursor is None
    assert len(seen) == len(set(seen))
    untouched = {f"s{number:02}" for number in range(len(lives))} - changed
    assert untouched <= set(seen)


def apply(registry: Registry, number: int, what: str, now: int) -> str:
    """Let something happen to a row; its id."""
    if what == "new" or not registry.sessions:
        return registry.adopt(session(Registers(life=now), id=f"n{now}-{number}")).id
    one = list(registry.sessions.values())[number % len(registry.sessions)]
    if what == "act":
        registry.record_call(one, now)
    elif what == "end":
        registry.adopt(with_delta(one, ended_here(one.registers, now, "deleted")))
    else:
        registry.drop(one)
    return one.id


def with_delta(one: AgentSession, delta: Registers, **words: object) -> AgentSession:
    """The row as it was committed with that."""
    row = replace(one, registers=copy(one.registers))
    join(row.registers, delta)
    for word, value in words.items():
        setattr(row, word, value)
    return row


def test_a_cursor_belongs_to_its_project_activity_and_states_and_to_any_limit() -> None:
    cursor = listed(filled(NOW, NOW), query_of("p", False, "idle,lost", 1, None)).next_cursor
    assert query_of("p", False, "lost, idle", 7, cursor).after == (NOW, "s00")
    for project, active, state in (("q", False, "idle,lost"), ("p", True, "idle,lost"), ("p", False, None)):
        with pytest.raises(Invalid) as refused:
            query_of(project, active, state, 1, cursor)
        assert refused.value.fields[0][0] == "cursor"


@given(st.one_of(st.text(max_size=20), st.sampled_from(("W10=", "bnVsbA==", "Int9Ig==", "////", "é"))))
def test_any_other_cursor_is_refused_at_its_field(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        query_of("p", False, None, None, text)
    assert [field for field, _ in refused.value.fields] == ["cursor"]


@pytest.mark.parametrize("state", ["", "idle,", "asleep", "IDLE", "idle;lost"])
def test_a_state_that_is_none_is_refused_at_its_field(state: str) -> None:
    with pytest.raises(Invalid) as refused:
        query_of("p", False, state, None, None)
    assert [field for field, _ in refused.value.fields] == ["state"]


@pytest.mark.parametrize("limit", [0, -1, PAGE + 1])
def test_a_limit_is_from_1_to_1000(limit: int) -> None:
    with pytest.raises(Invalid) as refused:
        query_of("p", True, None, limit, None)
    assert [field for field, _ in refused.value.fields] == ["limit"]


def test_states_narrow_and_nobody_is_no_error() -> None:
    registry = filled(NOW, NOW - 3 * 60 * MINUTE_MS)
    assert ids(listed(registry, query_of("p", False, "lost,ended", None, None))) == ["s01"]
    assert ids(listed(registry, query_of("p", False, "waiting", None, None))) == []
    assert ids(listed(registry, query_of("p", True, "lost", None, None))) == []


def test_equal_rows_have_an_equal_tag_on_every_process_and_any_change_another() -> None:
    one, other = listed(filled(NOW, NOW - 1), EVERYTHING), listed(filled(NOW, NOW - 1), EVERYTHING, NOW + 1)
    assert (one.body, one.etag) == (other.body, other.etag)
    assert one.etag != listed(filled(NOW, NOW - 2), EVERYTHING).etag
    assert one.etag != listed(filled(NOW, NOW - 1, NOW - 1), EVERYTHING).etag
    assert one.etag != listed(filled(NOW, NOW - 1), query_of("p", False, None, 1, None)).etag
    first, last = (listed(filled(*lives), query_of("p", False, None, 1, None)) for lives in ((NOW, NOW - 1), (NOW,)))
    assert ids(first) == ids(last)
    assert first.etag != last.etag, "there is more"
    assert one.etag.startswith(b'"')
    assert one.etag.endswith(b'"')


# The kept body of the hot list, against one that is made anew by the words of the design alone.


def fresh(registry: Registry, now: int) -> Listing:
    rows = []
    for one in registry.sessions.values():
        verdict = judge(one, now, registry.gaps)
        if one.project_id == "p" and one.registers.life and verdict.active and not hidden(registry, one, now):
            rows.append(render(one, verdict, now))
    return assemble(sorted(rows, key=lambda row: row.place), None)


def hidden(registry: Registry, one: AgentSession, now: int) -> bool:
    """An implicit session is shown only while no told-apart one of its key lives."""
    return not one.told_apart and any(
        other.told_apart
        and (other.token_id, other.machine_id, other.project_id) == (one.token_id, one.machine_id, one.project_id)
        and other.caller_origin in (None, one.caller_origin)
        and other.registers.life > 0
        and judge(other, now, registry.gaps).state in ON_DUTY
        for other in registry.sessions.values()
    )


Operation = Callable[[Registry, int], None]


def on(number: int, work: Callable[[Registry, AgentSession, int], object]) -> Operation:
    """Do it to one of the sessions there are."""

    def run(registry: Registry, now: int) -> None:
        if registry.sessions:
            work(registry, list(registry.sessions.values())[number % len(registry.sessions)], now)

    return run


def appear(number: int, token: str, origin: str | None, implicit: bool) -> Operation:
    def run(registry: Registry, now: int) -> None:
        if f"s{number}" in registry.sessions:
            return
        row = session(registered(Registers(), now), id=f"s{number}", token_id=token, caller_origin=origin)
        if implicit:
            row.told_apart, row.implicit_key = False, implicit_key_of(token, "laptop", "p", origin or "")
        registry.adopt(row)

    return run


def happen(number: int, event: Event, age: int) -> Operation:
    def work(registry: Registry, one: AgentSession, now: int) -> None:
        delta = Registers()
        fold(delta, replace(event, at=now - age))
        registry.adopt(with_delta(one, delta))

    return on(number, work)


def miss(length: int) -> Operation:
    def run(registry: Registry, now: int) -> None:
        registry.gaps = registry.gaps.with_span(now - length, now)
        for one in registry.sessions.values():
            registry.touch(one)

    return run


def register(registry: Registry, one: AgentSession, now: int) -> None:
    registry.adopt(with_delta(one, registered(one.registers, now)))


def end(registry: Registry, one: AgentSession, now: int) -> None:
    registry.adopt(with_delta(one, ended_here(one.registers, now, "deleted"), implicit_key=None))


numbers = st.integers(0, 5)
tokens, origins = st.sampled_from(("token", "other")), st.sampled_from((None, "codex", "claude-code"))
operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(appear, numbers, tokens, origins, st.booleans()),
    st.builds(appear, numbers, tokens, origins, st.booleans()),
    st.builds(happen, numbers, events(st.integers(1, 12)), st.sampled_from((0, 0, 1, ACTIVE_MS, ACTIVE_MS + 1))),
    st.builds(miss, st.sampled_from((1_001, ACTIVE_MS, 4 * 60 * MINUTE_MS))),
    numbers.map(lambda n: on(n, lambda registry, one, now: registry.record_call(one, now))),
    numbers.map(lambda n: on(n, lambda registry, one, now: registry.adopt(with_delta(one, called(now), said="x")))),
    numbers.map(lambda n: on(n, register)),
    numbers.map(lambda n: on(n, end)),
    numbers.map(lambda n: on(n, lambda registry, one, now: registry.lease(one, now, now + LEASE_MS))),
    numbers.map(lambda n: on(n, lambda registry, one, now: registry.lease(one, now, now + LEASE_MS))),
    numbers.map(lambda n: on(n, lambda registry, one, now: registry.release(one, now))),
    numbers.map(lambda n: on(n, lambda registry, one, now: registry.drop(one))),
    st.builds(
        lambda n, token, origin: on(
            n,
            lambda registry, one, now: registry.adopt(
                with_delta(one, called(now), token_id=token, caller_origin=origin)
            ),
        ),
        numbers,
        tokens,
        origins,
    ),
)
waits = st.one_of(
    st.sampled_from((0, 0, 0, 1, LEASE_MS - 1, LEASE_MS, CALL_MS, CALL_MS + 1)),
    st.sampled_from((0, 1, ACTIVE_MS, ACTIVE_MS + 1, 30 * MINUTE_MS, 2 * HOUR_MS - MINUTE_MS)),
)


def staffed() -> tuple[Registry, ActiveView]:
    """Two implicit sessions and three told apart that may hide them, and the kept list that hears of all."""
    registry = Registry()
    view = ActiveView(registry)
    registry.on_touch.append(view.touch)
    for number, (origin, is_implicit) in enumerate(
        (("codex", True), ("claude-code", True), ("codex", False), (None, False), ("claude-code", False))
    ):
        appear(number, "token", origin, is_implicit)(registry, NOW)
    return registry, view


@settings(max_examples=300)
@given(st.lists(st.tuples(operations, waits, st.booleans()), min_size=8, max_size=30))
def test_the_kept_list_reads_like_a_fresh_one_whatever_happened_and_whenever_it_is_asked(
    steps: list[tuple[Operation, int, bool]],
) -> None:
    registry, view = staffed()
    now = NOW
    for operation, wait, looked_at in steps:
        operation(registry, now)
        now += wait
        if looked_at:
            kept, expected = view.at(now), fresh(registry, now)
            assert json.loads(kept.body) == json.loads(expected.body)
            assert (kept.body, kept.etag) == (expected.body, expected.etag)
            assert listed(registry, query_of("p", True, None, None, None), now).etag == kept.etag


@given(st.lists(st.tuples(operations, waits), max_size=15), st.data())
def test_the_kept_list_stays_until_it_says_so(steps: list[tuple[Operation, int]], data: st.DataObject) -> None:
    """Nobody has to ask before that: a stream sleeps until then."""
    registry, view = staffed()
    now = NOW
    for operation, wait in steps:
        operation(registry, now)
        now += wait
    kept = view.at(now)
    until = now + 24 * 60 * MINUTE_MS if kept.until is None else kept.until
    assert until > now
    for later in (until - 1, data.draw(st.integers(now, until - 1))):
        assert fresh(registry, later).body == kept.body


def test_whom_another_hid_comes_up_the_millisecond_that_one_is_lost() -> None:
    registry, view = staffed()
    late = NOW + 2 * HOUR_MS - MINUTE_MS
    registry.record_call(registry.sessions["s0"], late)
    assert ids(view.at(late)) == []
    lost = NOW + 2 * HOUR_MS + 1
    assert view.at(late).until == lost
    assert ids(view.at(lost - 1)) == []
    assert ids(view.at(lost)) == ["s0"]


def is_connected(view: ActiveView) -> bool:
    return bool(json.loads(view.at(NOW).body)["sessions"][0]["connected"])


def test_a_stream_that_opens_or_closes_is_shown_at_once() -> None:
    registry = filled(NOW)
    view, one = ActiveView(registry), registry.sessions["s00"]
    registry.on_touch.append(view.touch)
    view.touch(one)
    connected = [is_connected(view)]
    registry.lease(one, NOW, NOW + LEASE_MS)
    connected.append(is_connected(view))
    registry.release(one, NOW)
    connected.append(is_connected(view))
    assert connected == [False, True, False]


def test_a_list_that_nothing_happened_to_is_the_very_same_object() -> None:
    registry = filled(NOW, NOW)
    view = ActiveView(registry)
    for one in registry.sessions.values():
        view.touch(one)
    assert view.at(NOW) is view.at(NOW + 1)


def test_an_ended_session_leaves_the_active_list_and_stays_in_the_other() -> None:
    registry = filled(NOW)
    registry.adopt(session(Registers(life=NOW, end_c=ClientEnd(1, NOW, "exit")), id="s00"))
    assert end_of(registry.sessions["s00"].registers) is not None
    assert ids(listed(registry, query_of("p", True, None, None, None))) == []
    row = json.loads(listed(registry, EVERYTHING).body)["sessions"][0]
    assert (row["state"], row["end_reason"], row["because"]["signal"]) == ("ended", "exit", "end")
