"""What may happen to one session, and by whom: a story each, over a real file."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from onduty.errors import Ended, Forbidden, Invalid, NotFound, Problem
from onduty.sessions.listing import query_of
from onduty.sessions.model import end_of
from onduty.sessions.service import Registration
from tests.database.places import Place
from tests.people import ALICE, BOB, CHARLIE, VERA
from tests.sessions.office import Office, in_office


@pytest.fixture
def run(place: Place) -> Callable[[Callable[[Office], Awaitable[Any]]], Any]:
    return lambda story: in_office(place, story)


Run = Callable[[Callable[[Office], Awaitable[Any]]], Any]


async def refused(work: Awaitable[object]) -> type[Problem] | None:
    try:
        await work
    except Problem as problem:
        return type(problem)
    return None


def test_a_session_registers_once_under_its_own_id_even_from_two_requests_at_once(run: Run) -> None:
    async def story(office: Office) -> None:
        wanted = Registration("laptop", "thread", None, {"branch": "main"})
        bob = office.one(BOB)
        both = await asyncio.gather(*(office.sessions.register(bob, office.project_id, wanted) for _ in range(20)))
        assert len({session.id for session, _ in both}) == 1
        assert sum(is_new for _, is_new in both) == 1
        assert len(office.registry.sessions) == 1

    run(story)


def test_the_key_of_a_register_is_user_machine_project_and_ref(run: Run) -> None:
    async def story(office: Office) -> None:
        ids = {(await office.register(person, "thread")).id for person in (ALICE, BOB)}
        desk = Registration("desk", "thread", None, {})
        ids.add((await office.sessions.register(office.one(BOB), office.project_id, desk))[0].id)
        ids |= {(await office.register(BOB)).id, (await office.register(BOB)).id}
        assert len(ids) == 5

    run(story)


def test_a_register_sets_what_it_names_and_leaves_the_rest(run: Run) -> None:
    async def story(office: Office) -> None:
        first = await office.register(BOB, "thread", branch="main", said="x")
        connected_at = first.connected_at
        again = await office.register(BOB, "thread", branch=None, folder="app")
        assert (again.id, again.branch, again.said, again.folder) == (first.id, None, "x", "app")
        assert again.connected_at == connected_at

    run(story)


def test_a_register_re_opens_what_had_ended_and_a_delete_ends_it_again(run: Run) -> None:
    """All within the same few milliseconds, again and again: never undecided."""

    async def story(office: Office) -> None:
        for _ in range(20):
            session = await office.register(BOB, "thread")
            assert end_of(session.registers) is None
            await office.sessions.end(office.one(BOB), session.id, "deleted")
            end = end_of((await office.stored(session.id)).registers)
            assert end is not None
            assert end.reason == "deleted"

    run(story)


def test_ending_twice_is_fine_and_the_first_end_stays(run: Run) -> None:
    async def story(office: Office) -> None:
        session = await office.register(BOB)
        await office.sessions.end(office.one(BOB), session.id, "end_session")
        await office.sessions.end(office.one(ALICE), session.id, "deleted")
        end = end_of(session.registers)
        assert end is not None
        assert end.reason == "end_session"

    run(story)


def test_who_may_do_what_with_bobs_session(run: Run) -> None:
    """Bob all of it; Alice owns the project and may end it; Vera looks on; for Charlie there is no such session."""

    async def story(office: Office) -> None:
        session = await office.register(BOB)
        now = office.clock.now()
        outcomes = {}
        for person in (CHARLIE, VERA, ALICE, BOB):
            one = office.one(person)
            outcomes[person.name] = (
                await refused(office.sessions.find(one, session.id)),
                await refused(office.sessions.act(one, session.id, now)),
                await refused(office.sessions.change(one, session.id, {"said": "x"})),
                await refused(office.sessions.end(one, session.id, "deleted")),
            )
        assert outcomes == {
            "Charlie": (NotFound, NotFound, NotFound, NotFound),
            "Vera": (None, Forbidden, Forbidden, Forbidden),
            "Alice": (None, Forbidden, Forbidden, None),
            "Bob": (None, Ended, Ended, None),
        }
        assert await refused(office.register(VERA)) is Forbidden
        assert await refused(office.register(CHARLIE)) is Forbidden

    run(story)


def test_an_ended_session_neither_acts_nor_speaks_and_nothing_of_it_changes(run: Run) -> None:
    async def story(office: Office) -> None:
        session = await office.register(BOB, said="before")
        bob = office.one(BOB)
        await office.sessions.end(bob, session.id, "deleted")
        before = await office.stored(session.id)
        assert await refused(office.sessions.act(bob, session.id, office.clock.now())) is Ended
        assert await refused(office.sessions.change(bob, session.id, {"said": "after"})) is Ended
        after = await office.stored(session.id)
        assert (after.registers, after.said) == (before.registers, "before")
        assert not office.registry.dirty

    run(story)


def test_an_unknown_session_is_not_found(run: Run) -> None:
    async def story(office: Office) -> None:
        unknown = "0198f0a4-0000-7000-8000-000000000000"
        assert await refused(office.sessions.act(office.one(BOB), unknown, office.clock.now())) is NotFound
        assert await refused(office.sessions.end(office.one(BOB), unknown, "deleted")) is NotFound

    run(story)


def test_a_parent_is_a_session_of_ones_own_in_the_same_project(run: Run) -> None:
    async def story(office: Office) -> None:
        mine, hers = await office.register(BOB, "thread"), await office.register(ALICE)
        child = await office.register(BOB, "child", mine.id.upper())
        assert child.parent_session_id == mine.id
        for parent in (hers.id, "0198f0a4-0000-7000-8000-000000000000"):
            assert await refused(office.register(BOB, None, parent)) is Invalid
        assert await refused(office.register(BOB, "thread", mine.id)) is Invalid, "nobody is a child of itself"

    run(story)


def test_listing_and_recording_activity_run_no_statement(run: Run) -> None:
    async def story(office: Office) -> None:
        sessions = [await office.register(BOB) for _ in range(20)]
        bob, before = office.one(BOB), office.database.statements
        tags = set()
        for session in sessions:
            await office.sessions.act(bob, session.id, office.clock.now() + 1_000)
            query = query_of(office.project_id, True, None, None, None)
            tags.add((await office.reading.list(bob, query, office.clock.now() + 1_000)).etag)
        assert office.database.statements == before
        assert len(tags) > 1

    run(story)


def test_two_hundred_that_register_act_and_end_at_once(run: Run) -> None:
    """No error, no duplicate, no lost row; and the file says what memory says."""

    async def story(office: Office) -> None:
        async def one(number: int) -> str:
            session = await office.register(BOB, f"thread-{number % 150}")
            await refused(office.sessions.act(office.one(BOB), session.id, office.clock.now()))
            if number % 3 == 0:
                await office.sessions.end(office.one(BOB), session.id, "deleted")
            return session.id

        ids = await asyncio.gather(*(one(number) for number in range(200)))
        assert len(set(ids)) == 150 == len(office.registry.sessions)
        await office.keeping.flush()
        for session in office.registry.sessions.values():
            assert (await office.stored(session.id)).registers == session.registers

    run(story)
