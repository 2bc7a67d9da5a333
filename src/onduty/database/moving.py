"""Copying a whole database to another, SQLite or PostgreSQL, while no server works on either."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack

from sqlalchemy.exc import DBAPIError

from onduty.database import postgres, postgres_schema, schema, sqlite
from onduty.database.copying import Place, Tell, copied
from onduty.database.postgres_lock import Claim
from onduty.database.refused import Refused


def move(source: Place, target: Place, tell: Tell) -> dict[str, int]:
    """Copy all that is in one database to the other, which has to be empty; how many rows of each table those were.

    The source is left as it is. The caller holds the locks of files. All of it is one transaction: killed anywhere, the
    target is empty still. `Refused` where either cannot be used, or where what was written does not read as what was
    there. Every room's tables have to be imported.
    """
    return asyncio.run(_move(source, target, tell))


async def _move(source: Place, target: Place, tell: Tell) -> dict[str, int]:
    try:
        async with AsyncExitStack() as held:
            for place in (source, target):
                await _prepare(place, held)
            return await copied(source, target, tell)
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not (sqlite.is_unavailable(cause) or postgres.is_unavailable(error)):
            raise
        raise Refused(f"The data could not be moved: {cause}.") from error


async def _prepare(place: Place, held: AsyncExitStack) -> None:
    """Have it at this version's schema, and keep servers off it: a file is its caller's."""
    if postgres.is_address(place):
        held.push_async_callback((await Claim.take(str(place))).release)
        await postgres_schema.prepare(str(place))
    else:
        schema.prepare(place)
