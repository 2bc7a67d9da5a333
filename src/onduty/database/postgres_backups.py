"""A PostgreSQL database as one SQLite file, written while a server works on it, and put back from one.

Such a file is what a server on SQLite would have: it is checked, counted and moved by the same means, is opened by
anything that reads SQLite, and needs no program of PostgreSQL's.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from onduty.background import unless
from onduty.database import postgres, postgres_checking, postgres_schema, schema, sqlite
from onduty.database.checking import Damaged, Stopped
from onduty.database.copying import Tell, copied
from onduty.database.files import leave_room, sync
from onduty.database.postgres_lock import Claim
from onduty.database.refused import Refused

_SIZE: Final = text("SELECT pg_database_size(current_database())")


def write_out(url: str, target: Path, stop: Callable[[], bool]) -> dict[str, int]:
    """Copy one state of the database to a new private file; the rows it had.

    `Refused` where it cannot be read, is not at this version's schema, or would fill the disk; `Stopped` once `stop`
    answers True. OSError and `sqlite3.Error` are the file's.
    """
    try:
        return asyncio.run(unless(stop, _write_out(url, target)))
    except asyncio.CancelledError:
        raise Stopped from None
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        raise error.orig from error


async def _write_out(url: str, target: Path) -> dict[str, int]:
    with postgres.refusing(url):
        async with postgres.snapshot(url) as connection:
            found = await connection.run_sync(lambda here: postgres_schema.revision_of(here, url))
            size = int((await connection.execute(_SIZE)).scalar_one())
        if found != schema.HEAD:
            raise Refused(f"{postgres.shown(url)} has schema {found}, not {schema.HEAD}: start this version's server.")
        leave_room(target.parent, size, postgres.shown(url))
        schema.prepare(target)
        rows = await copied(url, target, lambda _: None)
    with closing(sqlite.connect(target)) as connection:
        # One file, without a log beside it.
        connection.execute("PRAGMA journal_mode = delete")
    return rows


def put_back(whole: Path, url: str, kept: Path, tell: Tell) -> bool:
    """Put what a SQLite file of this version's schema has in the place of what the database holds.

    What it holds is written to the file `kept` first: whether there was anything. `Refused` where either cannot be
    used, or a server works on it; then the database is as it was.
    """
    return asyncio.run(_put_back(whole, url, kept, tell))


async def _put_back(whole: Path, url: str, kept: Path, tell: Tell) -> bool:
    claim = await Claim.take(url)
    try:
        await postgres_schema.prepare(url)
        try:
            held = sum((await postgres_checking.look(url)).rows.values())
        except Damaged as damaged:
            raise Damaged(postgres.shown(url), damaged.reason, ": name an empty database instead") from damaged
        if held:
            await _write_out(url, kept)
            sync(kept)
        with postgres.refusing(url):
            await copied(whole, url, tell, over=True)
    finally:
        await claim.release()
    return bool(held)
