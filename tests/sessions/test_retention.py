"""What is past its time goes, with all that hangs on it and not before; what is alive, connected or young stays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

import pytest

from onduty.audit import store as audit
from onduty.audit.model import Entry
from onduty.background import Background
from onduty.database.transaction import Reader, Writer
from onduty.errors import Forbidden, Invalid, NotFound
from onduty.projects.deleting import Owning
from onduty.projects.model import Change
from onduty.sessions import retention, store
from onduty.sessions.history import store as history
from onduty.sessions.model import HOUR_MS, AgentSession
from onduty.sessions.retention import Retention
from tests.database.places import Place
from tests.people import ALICE, BOB
from tests.sessions.office import Office, in_office, opened
from tests.sessions.test_keeping import pages

DAY_MS = 24 * HOUR_MS


def retaining(office: Office, gone: list[str] | None = None) -> Retention:
    keeper = Retention(office.database, office.registry, office.projects, office.clock)
    if gone is not None:
        keeper.on_removal.append(gone.extend)
    return keeper


async def reported(office: Office, ref: str, *, events: int = 3) -> AgentSession:
    """A session of Bob's with an alias, events and an open tool."""
    session = await office.register(BOB, ref)
    told = [office.told(f"{n}", "tool_started", session=ref, tool="Bash", tool_id=f"t{n}") for n in range(events)]
    await office.events.record(office.one(BOB), office.batch(*told))
    return session


async def passed(office: Office, days: float) -> None:
    """Days in which the server listens, and settles what settles."""
    office.forward(int(days * DAY_MS))
    await office.keeping.flush()
    while await office.keeping.settle(office.clock.now()):
        pass


async def counts(office: Office, *ids: str) -> dict[str, int]:
    """What is stored of these sessions."""
    names = [str(number) for number in range(100)]

    def work(reader: Reader) -> dict[str, int]:
        return {
            "sessions": len(store.by_ids(reader, ids)),
            "events": sum(len(history.known_events(reader, each, names)) for each in ids),
            "aliases": sum(len(store.aliases_of(reader, each)) for each in ids),
        }

    return await office.database.read(work)


async def log(office: Office) -> Sequence[Entry]:
    """What the server itself noted, newest first."""
    entries = await office.database.read(lambda reader: audit.page(reader, office.project_id, None, 100))
    return [entry for entry in entries if entry.act == "sessions_removed"]


def test_what_ended_goes_30_days_after_and_all_that_hangs_on_it(place: Place) -> None:
    async def story(office: Office) -> None:
        ended, never_ended = await reported(office, "ended"), await reported(office, "never ended")
        await office.sessions.end(office.one(BOB), ended.id, "deleted")
        await passed(office, 29.9)
        young = await office.register(BOB, "young")
        gone: list[str] = []
        keeper = retaining(office, gone)
        assert await keeper.remove_old() == 0
        assert await counts(office, ended.id, never_ended.id) == {"sessions": 2, "events": 6, "aliases": 2}
        await passed(office, 0.2)
        assert await keeper.remove_old() == 2
        assert set(gone) == {ended.id, never_ended.id}
        assert await counts(office, ended.id, never_ended.id) == {"sessions": 0, "events": 0, "aliases": 0}
        assert await pages(office, 2) == [young.id]
        with pytest.raises(NotFound):
            await office.sessions.find(office.one(BOB), ended.id)
        assert [(e.act, e.user_id, e.about.name) for e in await log(office)] == [("sessions_removed", None, "2")]
        assert (await office.register(BOB, "ended")).id != ended.id, "its name is free"

    in_office(place, story)


def test_who_is_connected_or_alive_stays(place: Place) -> None:
    async def story(office: Office) -> None:
        connected, alive, ended_late = [await reported(office, ref) for ref in ("connected", "alive", "ended late")]
        for _ in range(45):
            now = office.forward(DAY_MS)
            office.registry.lease(connected, now, now + 3 * DAY_MS)
            office.registry.record_call(alive, now)
            await office.keeping.flush()
            await office.keeping.settle(now)
        assert set(office.registry.sessions) == {connected.id, alive.id}
        await office.sessions.end(office.one(BOB), ended_late.id, "deleted")
        await passed(office, 2)
        assert await retaining(office).remove_old() == 0, "its end is two days old"
        assert len(await pages(office, 10)) == 3

    in_office(place, story)


def test_one_that_settled_and_is_in_memory_again_is_not_taken_away(place: Place) -> None:
    async def story(office: Office) -> None:
        session = await reported(office, "back")
        await passed(office, 31)
        assert not office.registry.sessions
        office.registry.adopt(await office.stored(session.id))
        assert await retaining(office).remove_old() == 0
        await passed(office, 0.1)
        assert not office.registry.sessions
        assert await retaining(office).remove_old() == 1

    in_office(place, story)


def test_many_go_in_small_units(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SESSIONS_AT_ONCE", 4)
    monkeypatch.setattr(retention, "EVENTS_AT_ONCE", 7)

    async def story(office: Office) -> None:
        ids = [(await reported(office, str(number), events=9)).id for number in range(10)]
        await passed(office, 32)
        units: list[str] = []
        assert await retaining(office, units).remove_old() == 10
        assert sorted(units) == sorted(ids)
        assert await counts(office, *ids) == {"sessions": 0, "events": 0, "aliases": 0}
        assert [e.about.name for e in await log(office)] == ["2", "4", "4"]

    in_office(place, story)


def test_each_project_and_what_is_in_none(place: Place) -> None:
    async def story(office: Office) -> None:
        bound = await office.register(BOB, "bound")
        other = await office.projects.create(office.one(ALICE), "other")
        elsewhere = await office.register(ALICE, "there")

        def unbind(writer: Writer) -> None:
            store.set_words(writer, bound.id, {"project_id": None})
            store.set_words(writer, elsewhere.id, {"project_id": other.id})

        await passed(office, 31)
        await office.database.write(unbind)
        assert await retaining(office).remove_old() == 2
        assert (await counts(office, bound.id, elsewhere.id))["sessions"] == 0

    in_office(place, story)


def test_gaps_in_listening_are_forgotten_after_30_days(place: Place) -> None:
    async def story(office: Office) -> None:
        now = office.clock.now()
        for days in (40, 31, 29.9, 1):
            await office.keeping.missed(now - int(days * DAY_MS), now - int(days * DAY_MS) + HOUR_MS)
        await retaining(office).remove_old()
        kept = [now - ended for _, ended in office.registry.gaps.spans]
        assert [ago < 30 * DAY_MS for ago in kept] == [True, True]
        assert tuple(await office.database.read(store.gaps)) == office.registry.gaps.spans

    in_office(place, story)


def test_the_loop_removes_and_ends(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_FIRST_SECONDS", 0.01)

    async def story(office: Office) -> None:
        session = await reported(office, "old")
        await passed(office, 31)
        gone: list[str] = []
        done = asyncio.Event()
        keeper = retaining(office, gone)
        keeper.on_removal.append(lambda _: done.set())
        background = Background()
        wake = background.wake()
        background.start("retention", lambda: keeper.run(wake))
        await done.wait()
        assert gone == [session.id]
        assert await background.stop() == []

    in_office(place, story)


@pytest.mark.parametrize("days", [1, 2, 29, 31, 90, 365])
def test_each_project_keeps_its_own_days_to_the_millisecond(place: Place, days: int) -> None:
    async def story(office: Office) -> None:
        alice, owning = office.one(ALICE), Owning(office.database, office.projects)
        await owning.change(alice, office.project_id, Change(retention_days=days))
        session = await office.register(BOB, "own days")
        ms = days * DAY_MS
        age = int((await office.stored(session.id)).registers.life)

        def there_at(instant: int) -> Awaitable[int]:
            def work(reader: Reader) -> int:
                return store.count_settled_before(reader, office.project_id, instant - ms)

            return office.database.read(work)

        await passed(office, days + 1.1)
        assert [await there_at(age + ms + late) for late in (-1, 0, 1)] == [0, 0, 1]
        keeper = retaining(office)
        assert await keeper.remove_old() == 1
        assert (await counts(office, session.id))["sessions"] == 0

    in_office(place, story)


def test_what_is_said_to_go_is_what_goes_and_longer_keeps_it(place: Place) -> None:
    """Whoever shortens is told the number first; lengthening before the server looks keeps all."""

    async def story(office: Office) -> None:
        alice, owning, keeper = office.one(ALICE), Owning(office.database, office.projects), retaining(office)
        other = (await office.projects.create(alice, "other")).id
        old = [(await office.register(BOB, f"old {number}")).id for number in range(3)]
        elsewhere = (await office.register(BOB, "elsewhere")).id
        await office.database.write(lambda writer: store.set_words(writer, elsewhere, {"project_id": other}))
        await passed(office, 10)
        young = (await office.register(BOB, "young")).id
        await passed(office, 2)
        told = {
            days: await office.reading.past_time(alice, office.project_id, days, office.clock.now())
            for days in (1, 5, 11, 13, 30)
        }
        assert told == {1: 4, 5: 3, 11: 3, 13: 0, 30: 0}
        with pytest.raises(Forbidden):
            await office.reading.past_time(office.one(BOB), office.project_id, 1, office.clock.now())
        await owning.change(alice, office.project_id, Change(retention_days=5))
        await owning.change(alice, office.project_id, Change(retention_days=30))
        assert await keeper.remove_old() == 0
        await owning.change(alice, office.project_id, Change(retention_days=5))
        assert await keeper.remove_old() == told[5]
        assert await counts(office, *old, young, elsewhere) == {"sessions": 2, "events": 0, "aliases": 2}
        acts = await office.database.read(lambda reader: audit.page(reader, office.project_id, None, 100))
        changed = [entry.about.name for entry in acts if entry.act == "retention_changed"]
        assert changed == ["5 days", "30 days", "5 days"]

    in_office(place, story)


def test_it_is_kept_over_a_restart_and_out_of_bounds_is_refused(place: Place) -> None:
    async def story() -> None:
        async with opened(place) as office:
            owning, project_id = Owning(office.database, office.projects), office.project_id
            for days in (0, -1, 366, 10**9):
                with pytest.raises(Invalid) as refused:
                    await owning.change(office.one(ALICE), project_id, Change("new", days))
                assert [path for path, _ in refused.value.fields] == ["retention_days"]
            assert office.projects.known[project_id].name == "app", "nothing of what is refused is done"
            await owning.change(office.one(ALICE), project_id, Change(retention_days=7))
            async with opened(place, office) as again:
                assert again.projects.known[project_id].retention_days == 7

    asyncio.run(story())


def test_gaps_in_listening_are_kept_as_long_as_the_longest_kept_sessions(place: Place) -> None:
    async def story(office: Office) -> None:
        now = office.clock.now()
        await Owning(office.database, office.projects).change(
            office.one(ALICE), office.project_id, Change(retention_days=60)
        )
        for days in (61, 40):
            await office.keeping.missed(now - days * DAY_MS, now - days * DAY_MS + HOUR_MS)
        await retaining(office).remove_old()
        assert [now - began for began, _ in office.registry.gaps.spans] == [40 * DAY_MS]

    in_office(place, story)
