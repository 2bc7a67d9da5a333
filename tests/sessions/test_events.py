"""Events as they are brought: stored once, folded in any order, placed by the differences of the client's clock."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onduty.database.transaction import Writer
from onduty.errors import Forbidden, NotFound
from onduty.identity.model import Principal
from onduty.sessions import events as events_room
from onduty.sessions.events import Batch, Told
from onduty.sessions.listing import query_of
from onduty.sessions.model import HOUR_MS, MINUTE_MS, AgentSession, end_of, judge
from onduty.sessions.rows import as_row
from tests.database.places import Place
from tests.people import ALICE, BOB, CHARLIE, VERA
from tests.sessions.histories import KINDS
from tests.sessions.office import Office, in_office

Run = Callable[[Callable[[Office], Awaitable[Any]]], Any]


@pytest.fixture
def run(place: Place) -> Run:
    return lambda story: in_office(place, story)


async def record(office: Office, *events: Told, **words: str | None) -> list[tuple[str, str]]:
    """Bob's batch, and what became of each event."""
    results = await office.events.record(office.one(BOB), office.batch(*events, words=words))
    return [(result.id, result.status) for result in results]


def only(office: Office) -> AgentSession:
    (session,) = office.registry.sessions.values()
    return session


def shown(office: Office, session: AgentSession) -> dict[str, Any]:
    now = office.clock.now()
    return as_row(session, judge(session, now), now)


def test_an_unknown_alias_registers_and_an_event_counts_once(run: Run) -> None:
    async def story(office: Office) -> None:
        first = await record(office, office.told("1", "start"), office.told("2", "prompt"), office.told("1", "end"))
        assert first == [("1", "accepted"), ("2", "accepted"), ("1", "repeated")]
        assert await record(office, office.told("2", "end"), office.told("3", "activity")) == [
            ("2", "repeated"),
            ("3", "accepted"),
        ]
        session = only(office)
        assert end_of(session.registers) is None
        assert (await office.stored(session.id)).registers == session.registers

    run(story)


def test_an_event_whose_session_is_a_client_ref_meets_the_same_row(run: Run) -> None:
    async def story(office: Office) -> None:
        session = await office.register(BOB, "thread")
        await record(office, office.told("1", "prompt"), office.told("2", "activity", session=session.id.upper()))
        assert only(office) is session
        assert judge(session, office.clock.now()).because.signal == "turn"

    run(story)


def test_an_alias_belongs_to_its_user(run: Run) -> None:
    async def story(office: Office) -> None:
        for person in (ALICE, BOB):
            await office.events.record(office.one(person), office.batch(office.told("1", "start")))
        assert {one.user_id for one in office.registry.sessions.values()} == {
            office.one(ALICE).user_id,
            office.one(BOB).user_id,
        }

    run(story)


def test_what_only_the_server_knows_rejects_its_item_and_the_rest_is_stored(run: Run) -> None:
    async def story(office: Office) -> None:
        hers = await office.register(ALICE)
        unknown = hers.id[:-1] + ("0" if hers.id[-1] != "0" else "1")
        told = [office.told("1", "prompt"), office.told("2", "end", session=hers.id), office.told("3", "activity")]
        results = await office.events.record(office.one(BOB), office.batch(*told))
        assert [result.status for result in results] == ["accepted", "rejected", "accepted"]
        assert isinstance(results[1].problem, Forbidden)
        assert end_of(hers.registers) is None
        (result,) = await office.events.record(office.one(BOB), office.batch(office.told("9", "end", session=unknown)))
        assert isinstance(result.problem, NotFound)

    run(story)


def test_neither_a_viewer_nor_a_stranger_nor_a_read_only_token_records(run: Run) -> None:
    async def story(office: Office) -> None:
        for person in (VERA, CHARLIE):
            (result,) = await office.events.record(office.one(person), office.batch(office.told("1", "start")))
            assert isinstance(result.problem, Forbidden)
        reads: Principal = replace(office.one(BOB), read_only=True)
        with pytest.raises(Forbidden):
            await office.events.record(reads, office.batch(office.told("1", "start")))
        assert not office.registry.sessions

    run(story)


def test_a_spool_that_comes_hours_later_makes_nobody_alive_again(run: Run) -> None:
    async def story(office: Office) -> None:
        await record(office, office.told("1", "prompt", 3 * HOUR_MS), office.told("2", "activity", 3 * HOUR_MS - 1))
        verdict = judge(only(office), office.clock.now())
        assert (verdict.state, verdict.active) == ("lost", False)

    run(story)


def test_a_client_whose_clock_is_wrong_is_shown_like_one_whose_clock_is_right(run: Run) -> None:
    """28 hours ahead or behind; and an event that is later than its own batch happened now."""

    async def story(office: Office) -> None:
        for off in (-28 * HOUR_MS, 0, 28 * HOUR_MS):
            now = office.clock.now() + off
            told = [Told("1", "prompt", now - MINUTE_MS, f"s{off}"), Told("2", "waiting", now + 5_000, f"s{off}")]
            await office.events.record(office.one(BOB), office.batch(*told, sent_at=now))
        now = office.clock.now()
        for session in office.registry.sessions.values():
            assert now - 2_000 < session.registers.life <= now
            assert MINUTE_MS <= now - session.registers.turn_open.at < MINUTE_MS + 2_000
            assert judge(session, now).state == "waiting"

    run(story)


def told_events(sent_at: int) -> st.SearchStrategy[list[Told]]:
    ages = st.sampled_from((-1, 0, 0, 1, 2, 3, 4, 299_999, 300_000, 300_001, HOUR_MS))
    one = st.builds(
        lambda kind, age, stamp, tool, subagent, reason: Told(
            "", kind, sent_at - age, "", sent_at + stamp if stamp else None, tool, "", subagent, reason
        ),
        st.sampled_from(KINDS),
        ages,
        st.integers(0, 4),
        st.sampled_from(("", "Bash")),
        st.sampled_from(("", "", "a")),
        st.sampled_from(("", "clear", "exit", "compact")),
    )
    return st.lists(one, min_size=1, max_size=8)


def shifted(told: Told, number: int, alias: str, off: int) -> Told:
    subagent = told.subagent or ("a" if told.kind.startswith("subagent") else "")
    stamp = None if told.stamp is None else told.stamp + off
    return replace(told, id=str(number), at=told.at + off, session=alias, stamp=stamp, subagent=subagent)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(told_events(1_764_000_000_000), st.integers(-28 * HOUR_MS, 28 * HOUR_MS))
def test_shifting_a_clients_clock_changes_nothing(new_place: Callable[[], Place], told: list[Told], off: int) -> None:
    """`at`, `sent_at` and stamps together: read in one transaction, so at one instant."""

    async def story(office: Office) -> None:
        bob, sent_at = office.one(BOB), 1_764_000_000_000

        def work(writer: Writer) -> list[AgentSession]:
            rows = []
            for alias, by in (("right", 0), ("off", off)):
                events = [shifted(one, number, alias, by) for number, one in enumerate(told)]
                batch = Batch(sent_at + by, "laptop", office.project_id, events)
                done = events_room._Work(writer, bob, office.projects, batch)
                done.run()
                rows += done.rows
            return rows

        right, wrong = await office.database.write(work)
        for now in (office.clock.now(), office.clock.now() + HOUR_MS):
            assert judge(right, now) == judge(wrong, now)
            assert end_of(right.registers) == end_of(wrong.registers)
            mine, theirs = as_row(right, judge(right, now), now), as_row(wrong, judge(wrong, now), now)
            assert {**mine, "session_id": ""} == {**theirs, "session_id": ""}

    in_office(new_place(), story)


def test_a_late_event_of_an_ended_session_is_accepted_and_changes_nothing_shown(run: Run) -> None:
    async def story(office: Office) -> None:
        await record(
            office, office.told("1", "prompt", 5_000), office.told("2", "end", 1_000, reason="exit"), branch="main"
        )
        session = only(office)
        before = shown(office, session)
        late = replace(office.told("3", "tool_started", 6_000), words={"branch": "old"})
        assert await record(office, late, folder="elsewhere") == [("3", "accepted")]
        assert shown(office, session) == before

    run(story)


def test_a_start_that_comes_after_its_end_finds_the_session_ended(run: Run) -> None:
    """Until then there is nobody to show: a client's own health check may send an end that had no start."""

    async def story(office: Office) -> None:
        await record(office, office.told("2", "end", 1_000, reason="exit"))
        assert (await listed(office)) == []
        await record(office, office.told("1", "start", 2_000))
        assert [row["state"] for row in await listed(office)] == ["ended"]

    run(story)


async def listed(office: Office) -> list[dict[str, Any]]:
    query = query_of(office.project_id, False, None, None, None)
    listing = await office.reading.list(office.one(BOB), query, office.clock.now())
    rows: list[dict[str, Any]] = json.loads(listing.body)["sessions"]
    return rows


def test_tools_that_no_longer_count_are_kept_neither_in_memory_nor_in_the_file(run: Run) -> None:
    async def story(office: Office) -> None:
        told = [office.told(f"{n}", "tool_started", 500 - n, tool="Bash", tool_id=f"t{n}") for n in range(400)]
        await record(office, *told, office.told("e", "turn_ended"))
        session = only(office)
        assert session.registers.tools == {}
        assert (await office.stored(session.id)).registers == session.registers

    run(story)
