"""The database as the rooms see it: work to read, work to write, and nothing about how."""

from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from onduty.background import Wake
from onduty.clock import Clock
from onduty.database import postgres
from onduty.database.lines import Lines
from onduty.database.postgres_lock import Claim
from onduty.database.postgres_pool import Pool
from onduty.database.transaction import Reader, Writer

T = TypeVar("T")

READERS = 3


class Database:
    """An open database whose schema is this version's. `close` it, or its threads or connections keep it open."""

    def __init__(self, work: Lines | Pool, claim: Claim | None = None) -> None:
        self._work = work
        self._claim = claim

    @classmethod
    def open(cls, where: str | Path, clock: Clock, *, readers: int = READERS, claim: Claim | None = None) -> Self:
        """Open what a path, a `sqlite:///…` or a `postgresql://…` URL names, with so many that read at once.

        A server on PostgreSQL hands over its `claim`, which is given up with the database. There the database belongs
        to the loop that first uses it.
        """
        if postgres.is_address(where):
            return cls(Pool(str(where), clock, readers), claim)
        return cls(Lines(where, clock, readers))

    async def read(self, work: Callable[[Reader], T]) -> T:
        """What `work` returns; it sees one state of the database.

        What it raises comes out here; `errors.Unavailable` where the database cannot be reached.
        """
        result: T = await self._work.read(work)
        return result

    async def write(self, work: Callable[[Writer], T], *, alone: bool = False) -> T:
        """What `work` returns, once that is committed and on the disk.

        What it raises undoes all that it did, nothing else, and comes out here. `errors.Unavailable` where the database
        cannot be written just now, or is closed: then nothing was done (only if a connection breaks in the very commit
        does nobody know). Once begun, work is not stopped by a cancellation of the caller.

        Work may be done more than once, all but the last time undone: it changes nothing outside but what it returns.
        It is `alone` where it reads what decides over a row that it does not itself write, such as who else is an
        owner: two units of that kind must see one another. On SQLite every unit is.
        """
        result: T = await self._work.write(work, alone=alone)
        return result

    async def watch(self, wake: Wake) -> None:
        """The loop that keeps a server's right to the database. It ends with the process, or ends it."""
        if self._claim is not None and not isinstance(self._work, Lines):
            await self._claim.watch(wake, self._work)
        while await wake.wait():
            pass

    async def close(self) -> None:
        """Do and answer what waits, refuse what comes, and close every connection."""
        await self._work.close()
        if self._claim is not None:
            await self._claim.release()

    def close_now(self) -> None:
        """`close` of a file for where no loop runs. Whoever calls it in a caller's loop keeps that one waiting."""
        assert isinstance(self._work, Lines)
        self._work.close_now()

    @property
    def writable(self) -> bool:
        """Whether the last write met a database that could be written. A later write finds out that it can be again."""
        return self._work.writable

    @property
    def statements(self) -> int:
        """How many statements work has run since the database was opened; what begins and ends transactions is none."""
        return self._work.statements
