"""Work that writes: in one connection, many together, each answered after the commit, none spoilt by another."""

import asyncio
import resource
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from onduty.clock import Clock, Instant
from onduty.database import line, sqlite
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Unavailable
from tests.database import notes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return notes.make(tmp_path)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    database = Database.open(path, Clock())
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def blocked(path: Path) -> Iterator[None]:
    """Another process's write lock."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def disk_full(at: int) -> Iterator[None]:
    """No file of this process can grow beyond `at` bytes: the system refuses the write, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def outcomes(*work: Coroutine[None, None, object]) -> list[object]:
    return list(await asyncio.gather(*work, return_exceptions=True))


def test_waiting_units_share_a_commit(path: Path) -> None:
    commits: list[str] = []

    def begun(writer: Writer) -> None:
        driver = sqlite.driver(writer.connection)
        driver.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)

    async def run() -> None:
        async with opened(path) as database:
            await database.write(begun)
            commits.clear()
            await asyncio.gather(*(database.write(notes.write(str(number))) for number in range(100)))
            # The thread may begin before all of them stand in line, but not with each alone.
            assert 1 <= len(commits) < 20

    asyncio.run(run())


def test_a_caller_who_goes_away_changes_nothing(path: Path) -> None:
    may_go_on = threading.Event()

    def slow(writer: Writer) -> str:
        may_go_on.wait()
        return notes.write("slow")(writer)

    async def run() -> None:
        async with opened(path) as database:
            tasks = [asyncio.create_task(database.write(work)) for work in (slow, notes.write("waits"))]
            await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            may_go_on.set()
            assert await database.write(notes.write("later")) == "later"
            assert all(
                isinstance(each, asyncio.CancelledError)
                for each in await asyncio.gather(*tasks, return_exceptions=True)
            )

    asyncio.run(run())
    assert notes.names_in(path) == ["later", "slow", "waits"]


def test_a_loop_that_is_gone_changes_nothing(path: Path) -> None:
    may_go_on = threading.Event()
    database = Database.open(path, Clock())

    def slow(writer: Writer) -> str:
        may_go_on.wait()
        return notes.write("slow")(writer)

    async def leaves() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(database.write(slow), 0.01)

    asyncio.run(leaves())
    may_go_on.set()
    database.close_now()
    assert notes.names_in(path) == ["slow"]


def test_each_unit_has_one_now(path: Path) -> None:
    class Steps(Clock):
        count = 0

        @override
        def now(self) -> Instant:
            self.count += 1
            return self.count

    async def run() -> None:
        database = Database.open(path, Steps())
        assert await asyncio.gather(*(database.write(lambda writer: writer.now) for _ in range(3))) == [1, 2, 3]
        assert await database.read(lambda reader: reader.now) == 4
        await database.close()

    asyncio.run(run())


def test_a_line_that_is_too_long_takes_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "LONGEST", 3)
    may_go_on = threading.Event()

    async def run() -> None:
        async with opened(path) as database:
            first = asyncio.create_task(database.write(lambda _: may_go_on.wait()))
            await asyncio.sleep(0.02)
            waiting = [asyncio.create_task(database.write(notes.write(str(number)))) for number in range(4)]
            await asyncio.sleep(0)
            may_go_on.set()
            assert await first
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert results[:3] == ["0", "1", "2"]
            assert isinstance(results[3], Unavailable)

    asyncio.run(run())


def test_locked_by_another_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 50)

    async def run() -> None:
        async with opened(path) as database:
            await database.write(notes.write("first"))
            with blocked(path):
                results = await outcomes(*(database.write(notes.write(f"no {number}")) for number in range(20)))
                assert [type(each) for each in results] == [Unavailable] * 20
                assert not database.writable
                assert await database.read(notes.names) == ["first"], "reads go on"
            assert await database.write(notes.write("second")) == "second"
            assert database.writable

    asyncio.run(run())
    assert notes.names_in(path) == ["first", "second"]


def test_a_full_database_refuses_the_unit_that_does_not_fit(path: Path) -> None:
    def limit(pages: int) -> Callable[[Writer], None]:
        return lambda writer: writer.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").close()

    async def run() -> None:
        async with opened(path) as database:
            await database.write(limit(8))
            small, big = notes.write("small"), notes.write("big", "x" * 100_000)
            assert await database.write(small) == "small"
            with pytest.raises(Unavailable):
                await database.write(big)
            assert await database.read(notes.names) == ["small"]
            await database.write(limit(1000))
            assert await database.write(big) == "big"

    asyncio.run(run())
    assert notes.names_in(path) == ["big", "small"]


def test_a_full_disk_refuses_the_whole_batch_and_heals(path: Path) -> None:
    async def run() -> None:
        async with opened(path) as database:
            await database.write(notes.write("first"))
            log = path.with_name(path.name + "-wal").stat().st_size
            with disk_full(log + 5000):
                results = await outcomes(*(database.write(notes.write(f"no {n}", "x" * 9000)) for n in range(20)))
                assert [type(each) for each in results] == [Unavailable] * 20
                assert not database.writable
                assert await database.read(notes.names) == ["first"]
            assert await database.write(notes.write("second")) == "second"
            assert database.writable

    asyncio.run(run())
    assert notes.names_in(path) == ["first", "second"]


def test_a_commit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = notes.make(tmp_path)
    with closing(sqlite.connect(path)) as connection:
        connection.execute("CREATE TABLE marks (note TEXT REFERENCES notes DEFERRABLE INITIALLY DEFERRED)")

    def dangles(writer: Writer) -> None:
        writer.connection.exec_driver_sql("INSERT INTO marks VALUES ('nothing')")

    async def run() -> None:
        async with opened(path) as database:
            # One transaction: the first unit holds the thread until the others stand in line.
            all_here = threading.Event()
            first = asyncio.create_task(database.write(lambda _: all_here.wait()))
            await asyncio.sleep(0.005)
            tasks = [asyncio.create_task(database.write(work)) for work in (notes.write("no"), dangles)]
            await asyncio.sleep(0)
            all_here.set()
            results = await asyncio.gather(first, *tasks, return_exceptions=True)
            assert [type(each) for each in results] == [Unavailable] * 3
            assert await database.write(notes.write("yes")) == "yes"

    asyncio.run(run())
    assert notes.names_in(path) == ["yes"]


def test_a_missing_table_is_our_fault_and_not_the_disks(path: Path) -> None:
    async def run() -> None:
        async with opened(path) as database:
            with pytest.raises(Exception, match="no such table"):
                await database.write(lambda writer: writer.connection.exec_driver_sql("DELETE FROM nowhere"))
            assert database.writable

    asyncio.run(run())


def test_closing_folds_the_log_into_the_file(path: Path) -> None:
    async def run() -> None:
        async with opened(path) as database:
            await database.write(notes.write("one"))

    asyncio.run(run())
    assert [file.name for file in path.parent.iterdir()] == [path.name]
