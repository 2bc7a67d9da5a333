"""Work that reads: several at once, each on one state of the database, none able to write."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from onduty.clock import Clock
from onduty.database.engine import READERS, Database
from onduty.database.transaction import Reader
from onduty.errors import Unavailable
from tests.database import notes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return notes.make(tmp_path)


def test_reads_see_one_state_while_others_write(path: Path) -> None:
    read_once, written = threading.Event(), threading.Event()

    def twice(reader: Reader) -> tuple[list[str], list[str]]:
        before = notes.names(reader)
        read_once.set()
        written.wait()
        return before, notes.names(reader)

    async def run() -> None:
        database = Database.open(path, Clock())
        await database.write(notes.write("a"))
        reading = asyncio.create_task(database.read(twice))
        assert await asyncio.to_thread(read_once.wait, 5)
        await database.write(notes.write("b"))
        written.set()
        assert await reading == (["a"], ["a"])
        assert await database.read(notes.names) == ["a", "b"]
        await database.close()

    asyncio.run(run())


def test_reads_run_side_by_side(path: Path) -> None:
    meet = threading.Barrier(READERS, timeout=5)

    async def run() -> None:
        database = Database.open(path, Clock())
        await asyncio.gather(*(database.read(lambda _: meet.wait()) for _ in range(READERS)))
        await database.close()

    asyncio.run(run())


def test_a_reader_cannot_write(path: Path) -> None:
    async def run() -> None:
        database = Database.open(path, Clock())
        with pytest.raises(OperationalError, match="readonly"):
            await database.read(notes.write("no"))  # type: ignore[arg-type]
        assert await database.read(notes.names) == []
        await database.close()

    asyncio.run(run())


def test_a_file_that_is_gone_is_unavailable_and_comes_back(path: Path) -> None:
    away = path.with_name("away")
    path.rename(away)
    path.mkdir()

    def comes_back() -> None:
        path.rmdir()
        away.rename(path)

    async def run() -> None:
        database = Database.open(path, Clock())
        with pytest.raises(Unavailable, match="read"):
            await database.read(notes.names)
        with pytest.raises(Unavailable, match="written"):
            await database.write(notes.write("no"))
        comes_back()
        assert await database.write(notes.write("yes")) == "yes"
        assert await database.read(notes.names) == ["yes"]
        await database.close()

    asyncio.run(run())
