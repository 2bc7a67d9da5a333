"""A database as a server opens it: its own and nobody else's, at this version's schema, with the clock that counts."""

from pathlib import Path

from onduty.clock import Clock
from onduty.database import postgres, postgres_schema, schema
from onduty.database.engine import Database
from onduty.database.postgres_lock import Claim


async def opened(where: str | Path) -> tuple[Database, Clock]:
    """The database, and the process's clock: on PostgreSQL the database's time, else the computer's.

    `Refused` where it cannot be used. The caller holds the lock of a file's folder, and runs `Database.watch`.
    """
    if not postgres.is_address(where):
        schema.prepare(where)
        clock = Clock()
        return Database.open(where, clock), clock
    url = str(where)
    claim = await Claim.take(url)
    try:
        await postgres_schema.prepare(url)
    except BaseException:
        await claim.release()
        raise
    clock = Clock(claim.now)
    return Database.open(url, clock, claim=claim), clock
