"""What only a PostgreSQL server can do to work: other programs beside it, deadlocks, values that do not fit."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from onduty.clock import Clock
from onduty.database import postgres
from onduty.database.engine import Database
from onduty.database.transaction import Reader, Writer
from onduty.errors import Unavailable
from tests.database import notes
from tests.database.postgres import Cluster


@pytest.fixture
def url(cluster: Cluster) -> str:
    return notes.make_on(cluster)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database.open(url, Clock())
    try:
        yield database
    finally:
        await database.close()


def beside(cluster: Cluster, url: str, statement: str) -> None:
    cluster.sql(statement, url.rpartition("/")[2])


def test_reads_see_one_state_while_others_write(cluster: Cluster, url: str) -> None:
    def twice(reader: Reader) -> tuple[list[str], list[str]]:
        before = notes.names(reader)
        beside(cluster, url, "INSERT INTO notes VALUES ('b')")
        return before, notes.names(reader)

    async def run() -> None:
        async with opened(url) as database:
            await database.write(notes.write("a"))
            assert await database.read(twice) == (["a"], ["a"])
            assert await database.read(notes.names) == ["a", "b"]

    asyncio.run(run())


def test_what_another_program_wrote_meanwhile_is_seen_the_second_time(cluster: Cluster, url: str) -> None:
    runs = 0

    def work(writer: Writer) -> list[str]:
        nonlocal runs
        runs += 1
        seen = notes.names(writer)
        if runs == 1:
            beside(cluster, url, "INSERT INTO notes VALUES ('one')")
        if "one" not in seen:
            notes.write("one")(writer)
        return seen

    async def run() -> None:
        async with opened(url) as database:
            assert await database.write(work) == ["one"]
        assert runs == 2

    asyncio.run(run())


def test_two_who_wait_for_one_another_both_come_through(url: str) -> None:
    """PostgreSQL ends one of them after a second; that one is done again."""

    def grow(first: str, second: str) -> Callable[[Writer], None]:
        def work(writer: Writer) -> None:
            for name in (first, second):
                grown = update(notes.notes).where(notes.notes.c.id == name).values(size=notes.notes.c.size + 1)
                writer.connection.execute(grown)

        return work

    async def run() -> None:
        async with opened(url) as database:
            for name in "ab":
                await database.write(notes.write(name))
            turns = [database.write(grow(*pair)) for pair in ("ab", "ba") * 4]
            await asyncio.gather(*turns)
            sizes = await database.read(lambda reader: list(reader.connection.execute(notes.notes.select())))
            assert [row.size for row in sizes] == [8, 8]

    asyncio.run(run())


def test_a_lock_that_another_program_keeps_is_unavailable_and_heals(
    cluster: Cluster, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres._SETTINGS, "lock_timeout", "100ms")

    async def run() -> None:
        other = await postgres.connect(url)
        async with opened(url) as database:
            await other.execute("BEGIN; LOCK TABLE notes")
            with pytest.raises(Unavailable, match="written"):
                await database.write(notes.write("no"))
            assert not database.writable
            await other.execute("ROLLBACK")
            assert await database.write(notes.write("yes")) == "yes"
        await other.close(timeout=1)

    asyncio.run(run())


def test_what_is_our_fault_is_neither_unavailable_nor_told_with_its_values(url: str) -> None:
    async def run() -> None:
        async with opened(url) as database:
            with pytest.raises(DBAPIError) as broken:
                await database.write(notes.write("a\0secret"))
            assert "secret" not in str(broken.value)
            assert database.writable

    asyncio.run(run())


def test_who_uses_sqlite_loads_nothing_of_it() -> None:
    """The ORM, which comes with SQLAlchemy's asyncio, costs as much at the start as half of SQLAlchemy."""
    code = "import sys, onduty.server; print([m for m in ('asyncpg', 'sqlalchemy.orm', 'argon2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
