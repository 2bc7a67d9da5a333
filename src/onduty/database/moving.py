"""Copying a whole database to another, SQLite or PostgreSQL, counted and compared by a digest of its rows."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, func, insert, inspect, select
from sqlalchemy.exc import DBAPIError

from onduty.database import postgres, postgres_schema, schema, sqlite
from onduty.database.metadata import metadata
from onduty.database.postgres_lock import Claim
from onduty.database.refused import Refused

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


def move(source: str | Path, target: str | Path, tell: Tell) -> dict[str, int]:
    """Copy all that is in one database to the other, which has to be empty; how many rows of each table those were.

    The source is left as it is. The caller holds the locks of files. All of it is one transaction: killed anywhere, the
    target is empty still. `Refused` where either cannot be used, or where what was written does not read as what was
    there. Every room's tables have to be imported.
    """
    return asyncio.run(_move(source, target, tell))


async def _move(source: str | Path, target: str | Path, tell: Tell) -> dict[str, int]:
    try:
        async with AsyncExitStack() as held:
            for place in (source, target):
                await _prepare(place, held)
            reading, run = await held.enter_async_context(_transaction(source))
            writing, run_too = await held.enter_async_context(_transaction(target))
            runs = run_too if postgres.is_address(target) else run
            moved: dict[str, int] = await runs(lambda: _copy(reading, writing, tell))
        return moved
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not (sqlite.is_unavailable(cause) or postgres.is_unavailable(error)):
            raise
        raise Refused(f"The data could not be moved: {cause}.") from error


async def _prepare(place: str | Path, held: AsyncExitStack) -> None:
    """Have it at this version's schema, and keep servers off it: a file is its caller's."""
    if postgres.is_address(place):
        held.push_async_callback((await Claim.take(str(place))).release)
        await postgres_schema.prepare(str(place))
    else:
        schema.prepare(place)


@asynccontextmanager
async def _transaction(place: str | Path) -> AsyncIterator[tuple[Connection, Callable[..., Any]]]:
    """A connection in a transaction that ends with this, and what runs plain functions that use it."""
    if postgres.is_address(place):
        engine = postgres.engine(str(place), 1)
        try:
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ")
                async with connection.begin():
                    made = connection.sync_connection
                    assert made is not None
                    yield made, lambda work: connection.run_sync(lambda _: work())
        finally:
            await engine.dispose()
    else:
        with sqlite.engine(sqlite.location(place)).connect() as here, here.begin():
            sqlite.driver(here).execute("BEGIN IMMEDIATE")
            yield here, _at_once


async def _at_once(work: Callable[[], Any]) -> Any:
    return work()


def _copy(reading: Connection, writing: Connection, tell: Tell) -> dict[str, int]:
    """All tables, those that others refer to first."""
    unknown = set(inspect(reading).get_table_names()) - set(metadata.tables) - _OURS
    if unknown:
        raise Refused(f"The database has tables that are none of Onduty's: {', '.join(sorted(unknown))}.")
    full = [t.name for t in metadata.sorted_tables if writing.execute(select(func.count()).select_from(t)).scalar()]
    if full:
        raise Refused("The database to move to holds data already: name an empty one.")
    copied = {table.name: _copy_table(table, reading, writing, tell) for table in metadata.sorted_tables}
    for table in metadata.sorted_tables:
        arrived = Content()
        for rows in _portions(table, writing):
            arrived = arrived.and_these(rows)
        if arrived != copied[table.name]:
            raise Refused(f"{table.name} does not read as it was written: nothing was moved.")
    return {name: content.rows for name, content in copied.items()}


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
