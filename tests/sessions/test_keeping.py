"""Memory and file are kept together: over restarts, gaps, steps of the clock and writes that fail."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from onduty.errors import Unavailable
from onduty.sessions import store
from onduty.sessions.listing import query_of
from onduty.sessions.model import HOUR_MS, MINUTE_MS, end_of, judge
from onduty.sessions.registry import KEPT_MS
from tests.database.places import Place
from tests.people import ALICE, BOB
from tests.sessions.office import Office, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite3"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the write lock."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def state(office: Office, session_id: str) -> str:
    return judge(office.registry.sessions[session_id], office.clock.now(), office.registry.gaps).state


def test_after_a_restart_there_are_the_same_sessions_that_read_the_same(place: Place) -> None:
    async def run() -> None:
        async with opened(place) as before:
            sessions = [await before.register(BOB, f"thread-{n}") for n in range(5)]
            await before.events.record(before.one(BOB), before.batch(before.told("1", "prompt", session="thread-0")))
            await before.sessions.end(before.one(BOB), sessions[1].id, "deleted")
            await before.sessions.act(before.one(BOB), sessions[2].id, before.clock.now() + 7)
            await before.keeping.flush()
            known = {session.id: session.registers for session in before.registry.sessions.values()}
        async with opened(place, before) as after:
            assert {session.id: session.registers for session in after.registry.sessions.values()} == known
            assert (await after.register(BOB, "thread-3")).id == sessions[3].id

    asyncio.run(run())


def test_a_server_that_was_down_for_four_hours_finds_nobody_lost(place: Place) -> None:
    """Silence is evidence only while it listened; and `active` is the contract's plain 300 s all the same."""

    async def run() -> None:
        async with opened(place) as before:
            session = await before.register(BOB, "thread")
            await before.events.record(before.one(BOB), before.batch(before.told("1", "prompt")))
            await before.keeping.flush()
            before.wall.step += 4 * HOUR_MS
        async with opened(place, before) as after:
            assert state(after, session.id) == "working"
            assert not judge(session, after.clock.now(), after.registry.gaps).active
            assert after.registry.gaps.silence(after.clock.now() - 5 * HOUR_MS, after.clock.now()) <= HOUR_MS + 1_000
        async with opened(place, after) as again:
            assert state(again, session.id) == "working"
            assert len(again.registry.gaps.spans) == 1

    asyncio.run(run())


def test_a_jump_ahead_was_not_listened_to(place: Place) -> None:
    """The machine slept, or its clock was set: nobody is lost for that."""

    async def run() -> None:
        async with opened(place) as office:
            session = await office.register(BOB)
            office.wall.step += 5 * HOUR_MS
            await office.keeping._tick()
            assert state(office, session.id) == "idle"
            assert await office.database.read(store.gaps) == list(office.registry.gaps.spans)

    asyncio.run(run())


def test_a_step_back_leaves_nothing_in_the_future_and_nobody_ended_or_re_opened(place: Place) -> None:
    async def run() -> None:
        async with opened(place) as office:
            ended, back, alive = [await office.register(BOB, f"thread-{n}") for n in range(3)]
            for session in (ended, back):
                await office.sessions.end(office.one(BOB), session.id, "deleted")
            await office.register(BOB, "thread-1")
            office.wall.step -= HOUR_MS
            await office.keeping._tick()
            now = office.clock.now()
            for session in (ended, back, alive):
                kept = await office.stored(session.id)
                assert kept.registers == session.registers
                assert session.registers.life <= now
                assert (end_of(kept.registers) is not None) == (session is ended)

    asyncio.run(run())


def test_activity_that_cannot_be_written_is_not_lost(path: Path) -> None:
    async def run() -> None:
        async with opened(path) as office:
            session = await office.register(BOB)
            await office.sessions.act(office.one(BOB), session.id, office.clock.now() + 50)
            with locked(path), pytest.raises(Unavailable):
                await office.keeping.flush()
            assert office.registry.dirty == {session.id}
            assert office.keeping.lag_ms(office.clock.now() + 6_000) >= 6_000
            await office.keeping.flush()
            assert office.keeping.lag_ms(office.clock.now()) == 0
            assert (await office.stored(session.id)).registers == session.registers

    asyncio.run(run())


def test_a_step_back_while_nothing_can_be_written_ends_no_loop(path: Path) -> None:
    """On PostgreSQL both come together, when another computer takes over. The next start leaves the future anew."""

    async def run() -> None:
        async with opened(path) as office:
            session = await office.register(BOB)
            office.wall.step -= HOUR_MS
            with locked(path):
                await office.keeping._tick()
            assert session.registers.life <= office.clock.now()
        async with opened(path, office) as after:
            assert after.registry.sessions[session.id].registers.life <= after.clock.now()

    asyncio.run(run())


def test_an_idle_server_writes_seldom(place: Place) -> None:
    async def run() -> None:
        async with opened(place) as office:
            before = office.database.statements
            for _ in range(5):
                await office.keeping.flush()
            assert office.database.statements == before

    asyncio.run(run())


async def pages(office: Office, limit: int) -> list[str]:
    """Ids of the project's sessions, page by page."""
    seen, cursor = list[str](), None
    while True:
        query = query_of(office.project_id, False, None, limit, cursor)
        listing = await office.reading.list(office.one(ALICE), query, office.clock.now())
        seen += [row["session_id"] for row in json.loads(listing.body)["sessions"]]
        cursor = listing.next_cursor
        if cursor is None:
            return seen


def test_what_is_lost_for_a_day_leaves_memory_stays_in_the_list_and_comes_back_when_it_speaks(place: Place) -> None:
    async def run() -> None:
        async with opened(place) as office:
            old = [await office.register(BOB, f"old-{n}") for n in range(7)]
            await office.sessions.end(office.one(BOB), old[0].id, "deleted")
            office.forward(KEPT_MS + MINUTE_MS)
            new = [await office.register(BOB, f"new-{n}") for n in range(3)]
            assert await office.keeping.settle(office.clock.now()) == 7
            assert await office.keeping.settle(office.clock.now()) == 0
            assert set(office.registry.sessions) == {session.id for session in new}
            for limit in (1, 2, 3, 10, 11):
                seen = await pages(office, limit)
                assert len(seen) == 10 == len(set(seen))
                assert set(seen[:3]) == {session.id for session in new}
            await office.sessions.act(office.one(BOB), old[3].id, office.clock.now())
            assert old[3].id in office.registry.sessions
            assert (await pages(office, 4))[0] == old[3].id
            assert len(await pages(office, 4)) == 10
        async with opened(place, office) as after:
            assert set(after.registry.sessions) == {session.id for session in [*new, old[3]]}

    asyncio.run(run())


def test_who_is_connected_or_unwritten_stays_in_memory_however_silent(place: Place) -> None:
    async def run() -> None:
        async with opened(place) as office:
            connected, unwritten, silent = [await office.register(BOB) for _ in range(3)]
            now = office.forward(KEPT_MS + MINUTE_MS)
            office.registry.lease(connected, now, now + 45_000)
            office.registry.dirty.add(unwritten.id)
            assert await office.keeping.settle(now) == 1
            assert silent.id not in office.registry.sessions

    asyncio.run(run())
