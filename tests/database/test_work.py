"""What a room may count on when it reads and writes, whichever database is underneath."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from onduty.clock import Clock
from onduty.database.dialect import insert_or_ignore
from onduty.database.engine import Database
from onduty.database.transaction import Reader, Writer
from onduty.errors import Conflict, NotFound, Unavailable
from tests.database import notes
from tests.database.places import Place


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Database]:
    database = Database.open(place, Clock())
    try:
        yield database
    finally:
        await database.close()


def test_two_hundred_writers_at_once(notes_place: Place) -> None:
    async def run() -> None:
        async with opened(notes_place) as database:
            wanted = [f"{number:03}" for number in range(200)]
            assert await asyncio.gather(*(database.write(notes.write(name)) for name in wanted)) == wanted
            assert await database.read(notes.names) == wanted

    asyncio.run(run())


def test_a_failing_unit_spoils_only_itself(notes_place: Place) -> None:
    def refuses(writer: Writer) -> None:
        notes.write("half done")(writer)
        raise Conflict("taken")

    def breaks(writer: Writer) -> None:
        notes.write("half done")(writer)
        notes.write("before")(writer)

    def stops(writer: Writer) -> None:
        notes.write("half done")(writer)
        raise StopIteration

    async def run() -> None:
        async with opened(notes_place) as database:
            await database.write(notes.write("before"))
            work: list[Callable[[Writer], object]] = [refuses, breaks, stops, notes.write("after")]
            done = await asyncio.gather(*(database.write(unit) for unit in work), return_exceptions=True)
            refused, broken, stopped, after = done
            assert after == "after"
            assert isinstance(refused, Conflict)
            assert refused.message == "taken"
            assert isinstance(broken, IntegrityError)
            assert isinstance(stopped, RuntimeError)
            assert database.writable
            assert await database.read(notes.names) == ["after", "before"]

    asyncio.run(run())


def test_a_reader_cannot_write(notes_place: Place) -> None:
    async def run() -> None:
        async with opened(notes_place) as database:
            with pytest.raises(DBAPIError, match=r"readonly|read-only"):
                await database.read(notes.write("no"))  # type: ignore[arg-type]
            assert await database.read(notes.names) == []
            assert database.writable

    asyncio.run(run())


def test_what_a_read_raises_comes_out(notes_place: Place) -> None:
    def finds_nothing(_: Reader) -> None:
        raise NotFound

    async def run() -> None:
        async with opened(notes_place) as database:
            with pytest.raises(NotFound):
                await database.read(finds_nothing)

    asyncio.run(run())


def test_a_caller_who_goes_away_stops_nothing_that_has_begun(notes_place: Place) -> None:
    async def run() -> None:
        async with opened(notes_place) as database:
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()

            def work(writer: Writer) -> None:
                loop.call_soon_threadsafe(begun.set)
                for number in range(50):
                    notes.write(f"{number:02}")(writer)

            task = asyncio.create_task(database.write(work))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await database.write(notes.write("later"))
            assert len(await database.read(notes.names)) in (1, 51)
        async with opened(notes_place) as database:
            assert len(await database.read(notes.names)) == 51

    asyncio.run(run())


def test_closing_finishes_what_waits_and_refuses_what_comes(notes_place: Place) -> None:
    async def run() -> None:
        database = Database.open(notes_place, Clock())
        tasks = [asyncio.create_task(database.write(notes.write(f"{number:03}"))) for number in range(600)]
        await asyncio.sleep(0)
        await database.close()
        assert len(await asyncio.gather(*tasks)) == 600
        for late in (database.write(notes.write("late")), database.read(notes.names)):
            with pytest.raises(Unavailable, match="stopping"):
                await late
        await database.close()
        async with opened(notes_place) as again:
            assert len(await again.read(notes.names)) == 600

    asyncio.run(run())


def test_statements_are_counted_and_transactions_are_none(notes_place: Place) -> None:
    async def run() -> None:
        async with opened(notes_place) as database:
            await database.write(lambda _: None)
            await database.read(lambda _: None)
            assert database.statements == 0
            await database.write(notes.write("one"))
            await database.read(notes.names)
            assert database.statements == 2

    asyncio.run(run())


def test_units_that_found_nothing_at_once_make_one(notes_place: Place) -> None:
    """Whether the key itself refuses the second, or is only seen to be there: it is done again, and finds the first."""

    def looks(make: Callable[[Writer], object]) -> Callable[[Writer], str]:
        def work(writer: Writer) -> str:
            found = writer.connection.execute(select(notes.notes.c.text).where(notes.notes.c.id == "one")).scalar()
            if found is None:
                make(writer)
            return "new" if found is None else "found"

        return work

    def refused(writer: Writer) -> None:
        notes.write("one")(writer)

    def ignored(writer: Writer) -> None:
        writer.connection.execute(insert_or_ignore(notes.notes), {"id": "one", "size": 0, "text": ""})

    async def run() -> None:
        async with opened(notes_place) as database:
            for make in (refused, ignored):
                done = await asyncio.gather(*(database.write(looks(make)) for _ in range(30)))
                assert sorted(done) == ["found"] * 29 + ["new"]
                await database.write(lambda writer: writer.connection.execute(notes.notes.delete()))

    asyncio.run(run())


def test_no_increment_is_lost(notes_place: Place) -> None:
    def increment(writer: Writer) -> None:
        n = notes.notes
        size = writer.connection.execute(select(n.c.size).where(n.c.id == "one")).scalar_one()
        writer.connection.execute(update(n).where(n.c.id == "one").values(size=size + 1))

    async def run() -> None:
        async with opened(notes_place) as database:
            await database.write(notes.write("one"))
            await asyncio.gather(*(database.write(increment) for _ in range(60)))
            sizes = select(notes.notes.c.size)
            assert await database.read(lambda reader: reader.connection.execute(sizes).scalar_one()) == 60

    asyncio.run(run())


def test_the_last_one_stays_where_those_who_leave_are_alone(notes_place: Place) -> None:
    """Each reads how many there are and removes another row: no key and no row tells them of one another."""

    def leave(name: str) -> Callable[[Writer], None]:
        def work(writer: Writer) -> None:
            if writer.connection.execute(select(func.count()).select_from(notes.notes)).scalar_one() < 2:
                raise Conflict("the last one")
            writer.connection.execute(notes.notes.delete().where(notes.notes.c.id == name))

        return work

    async def run() -> None:
        async with opened(notes_place) as database:
            rows = [{"id": name, "size": 0, "text": ""} for name in "abcdefgh"]
            await database.write(lambda writer: writer.connection.execute(insert(notes.notes), rows))
            leaving = [database.write(leave(name), alone=True) for name in "abcdefgh"]
            done = await asyncio.gather(*leaving, return_exceptions=True)
            assert sum(isinstance(each, Conflict) for each in done) == 1
            assert len(await database.read(notes.names)) == 1

    asyncio.run(run())
