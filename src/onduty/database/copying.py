"""All rows of one database into another, SQLite or PostgreSQL, counted and compared by a digest of them."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, func, insert, inspect, select, text

from onduty.database import postgres, sqlite
from onduty.database.metadata import metadata
from onduty.database.refused import Refused

Place = str | Path
"""A file, or a PostgreSQL database's address."""
Tell = Callable[[str], None]

_ROWS_AT_ONCE: Final = 500
_DIGEST_BYTES: Final = 16
_OURS: Final = frozenset({"alembic_version"})


@dataclass(frozen=True, slots=True)
class Content:
    """How many rows a table has, and a digest over them in whatever order they come."""

    rows: int = 0
    digest: int = 0

    def and_these(self, rows: Sequence[Sequence[Any]]) -> "Content":
        """With these rows beside."""
        total = self.digest
        for row in rows:
            hashed = hashlib.blake2b(repr(tuple(row)).encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES)
            total += int.from_bytes(hashed.digest(), "big")
        return Content(self.rows + len(rows), total % (1 << 8 * _DIGEST_BYTES))


async def copied(source: Place, target: Place, tell: Tell, *, over: bool = False) -> dict[str, int]:
    """Copy all rows, both being at this version's schema; how many of each table those were.

    What is copied is one state of the source. On the target all of it is one transaction: killed anywhere, it is as it
    was. It has to be empty; where it is PostgreSQL and this goes `over` it, what it holds is removed first. `Refused`
    where what was written does not read as what was there. Every room's tables have to be imported.
    """
    async with AsyncExitStack() as held:
        reading, run = await held.enter_async_context(_transaction(source, reads_only=True))
        writing, run_too = await held.enter_async_context(_transaction(target))
        runs = run_too if postgres.is_address(target) else run
        moved: dict[str, int] = await runs(lambda: _copy(reading, writing, tell, over))
    return moved


@asynccontextmanager
async def _transaction(
    place: Place, *, reads_only: bool = False
) -> AsyncIterator[tuple[Connection, Callable[..., Any]]]:
    """A connection in a transaction that ends with this, and what runs plain functions that use it."""
    if postgres.is_address(place):
        async with postgres.snapshot(str(place), reads_only=reads_only) as connection:
            made = connection.sync_connection
            assert made is not None
            yield made, lambda work: connection.run_sync(lambda _: work())
    else:
        with sqlite.engine(sqlite.location(place)).connect() as here, here.begin():
            sqlite.driver(here).execute("BEGIN IMMEDIATE")
            yield here, _at_once


async def _at_once(work: Callable[[], Any]) -> Any:
    return work()


def _copy(reading: Connection, writing: Connection, tell: Tell, over: bool) -> dict[str, int]:
    """All tables, those that others refer to first."""
    unknown = set(inspect(reading).get_table_names()) - set(metadata.tables) - _OURS
    if unknown:
        raise Refused(f"The database has tables that are none of Onduty's: {', '.join(sorted(unknown))}.")
    if over:
        writing.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
    full = [t.name for t in metadata.sorted_tables if writing.execute(select(func.count()).select_from(t)).scalar()]
    if full:
        raise Refused("The database to move to holds data already: name an empty one.")
    copies = {table.name: _copy_table(table, reading, writing, tell) for table in metadata.sorted_tables}
    for table in metadata.sorted_tables:
        arrived = Content()
        for rows in _portions(table, writing):
            arrived = arrived.and_these(rows)
        if arrived != copies[table.name]:
            raise Refused(f"{table.name} does not read as it was written: nothing was moved.")
    return {name: content.rows for name, content in copies.items()}


def _copy_table(table: Table, reading: Connection, writing: Connection, tell: Tell) -> Content:
    names = [column.name for column in table.columns]
    content = Content()
    for rows in _portions(table, reading):
        writing.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
        content = content.and_these(rows)
    tell(f"{table.name}: {content.rows} rows")
    return content


def _portions(table: Table, connection: Connection) -> Iterator[Sequence[Sequence[Any]]]:
    result = connection.execution_options(stream_results=True, yield_per=_ROWS_AT_ONCE).execute(select(table))
    yield from result.partitions(_ROWS_AT_ONCE)
