"""A database with something in most of its tables, as a server leaves it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from onduty.sessions.model import HOUR_MS
from tests.database.places import Place
from tests.people import ALICE, BOB
from tests.sessions.office import opened


def fill(place: Place, sessions: int = 40) -> Place:
    """The place, with people, sessions that live, ended and settled, their events, aliases and tools."""

    async def run() -> None:
        async with opened(place) as office:
            for number in range(sessions):
                person = (ALICE, BOB)[number % 2]
                session = await office.register(person, f"thread-{number}", caller_role='it\'s "ü" 💡', said="no NULL")
                told = office.told("1", "tool_started", session=f"thread-{number}", tool="Bash", tool_id="t1")
                await office.events.record(office.one(person), office.batch(told))
                if number % 5 == 0:
                    await office.sessions.end(office.one(person), session.id, "deleted")
            office.forward(25 * HOUR_MS)
            await office.register(BOB, "late")
            await office.keeping.settle(office.clock.now())
            await office.keeping.flush()

    asyncio.run(run())
    return place


def rows_in(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a file, by table."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = [name for (name,) in connection.execute(listed)]
        return {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr) for name in names}  # noqa: S608


def harm(path: Path) -> None:
    """Overwrite pages in the midst of a file whose log is folded in, as a failing disk does."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // size, 3):
        data[page * size : page * size + 200] = b"\xff" * 200
    path.write_bytes(data)
