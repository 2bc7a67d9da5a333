"""Work on a PostgreSQL server, in the caller's loop: a few units at once, each in a transaction of its own.

Units are written as if each were alone, which on SQLite they are. Here each sees one snapshot (REPEATABLE READ), and
PostgreSQL refuses the second of two that change the same row or take the same key. What it refuses is done again, from
the start and with nobody beside it, so that it sees what the first one did: two requests that register the same thing
at once get the same thing. READ COMMITTED would let the second insert of "do nothing on conflict" pass unseen.
SERIALIZABLE would refuse nearly every pair of new sessions, whose keys lie on the same page of an index. What snapshots
cannot see are two units that each read what the other writes and write different rows; a rule of that kind
(the last owner stays) has its unit done `alone`.
"""

import asyncio
import logging
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, event

from onduty.background import unstopped
from onduty.clock import Clock
from onduty.database import postgres
from onduty.database.transaction import Reader, Writer
from onduty.database.turns import Turns
from onduty.database.unit import CANNOT_READ, CANNOT_WRITE, CLOSED, OVERLOADED, caused_by
from onduty.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_log = logging.getLogger(__name__)

WRITERS: Final = 4
LONGEST: Final = 10_000
RERUNS: Final = 5
_SNAPSHOT: Final = "REPEATABLE READ"


class Pool:
    """`reachable` is false while the server, or the right to write there, is lost: then nobody waits for an answer."""

    def __init__(self, url: str, clock: Clock, readers: int) -> None:
        self.reachable = self.written = True
        self.statements = 0
        self._clock = clock
        self._closed = False
        self._waiting = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._connections: weakref.WeakSet[postgres.Link] = weakref.WeakSet()
        self._engine = postgres.engine(url, WRITERS + readers, self._connections.add)
        self._for_writing = self._engine.execution_options(isolation_level=_SNAPSHOT)
        self._for_reading = self._engine.execution_options(isolation_level=_SNAPSHOT, postgresql_readonly=True)
        self._writers, self._readers = Turns(WRITERS), Turns(readers)
        event.listen(self._engine.sync_engine, "before_cursor_execute", self._count)

    @property
    def writable(self) -> bool:
        return self.reachable and self.written

    async def read(self, work: Callable[[Reader], Any]) -> Any:
        return await self._queued(lambda: self._read(work))

    async def write(self, work: Callable[[Writer], Any], *, alone: bool = False) -> Any:
        return await self._queued(lambda: self._write(work, alone))

    def cut(self) -> None:
        """The server is not reached: whoever waits for it is told so now."""
        self.reachable = False
        for connection in list(self._connections):
            connection.terminate()

    async def close(self) -> None:
        """Do what waits, refuse what comes, and close every connection."""
        self._closed = True
        await self._idle.wait()
        await self._engine.dispose()

    async def _queued(self, work: Callable[[], Any]) -> Any:
        if self._closed:
            raise Unavailable(CLOSED)
        if self._waiting >= LONGEST:
            raise Unavailable(OVERLOADED)
        self._waiting += 1
        self._idle.clear()
        # A caller who goes away would otherwise cut the connection in the middle of a transaction.
        return await unstopped("database unit", self._counted(work))

    async def _counted(self, work: Callable[[], Any]) -> Any:
        try:
            return await work()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._idle.set()

    async def _read(self, work: Callable[[Reader], Any]) -> Any:
        async with self._readers.one():
            try:
                return await self._done(self._for_reading, lambda c: work(Reader(c, self._clock.now())))
            except Exception as error:
                # A reader that was made to write is a mistake of ours, and no matter of the server.
                if not postgres.is_unavailable(error) or postgres.is_forbidden_write(error):
                    raise
                raise caused_by(error, CANNOT_READ) from error

    async def _write(self, work: Callable[[Writer], Any], alone: bool) -> Any:
        try:
            value = await self._written(work, alone)
        except Exception as error:
            if not postgres.is_unavailable(error):
                raise
            self.note(error)
            raise caused_by(error, CANNOT_WRITE) from error
        self.note(None)
        return value

    async def _written(self, work: Callable[[Writer], Any], alone: bool) -> Any:
        def unit(connection: Connection) -> Any:
            return work(Writer(connection, self._clock.now()))

        if not alone:
            try:
                async with self._writers.one():
                    return await self._done(self._for_writing, unit)
            except Exception as error:
                if not postgres.is_race(error):
                    raise
        async with self._writers.alone():
            for _ in range(RERUNS):
                try:
                    return await self._done(self._for_writing, unit)
                except Exception as error:
                    # Nobody of this process was beside it: another program was, or the work itself is at fault.
                    if not postgres.is_race(error):
                        raise
            return await self._done(self._for_writing, unit)

    async def _done(self, engine: "AsyncEngine", unit: Callable[[Connection], Any]) -> Any:
        """What the unit returns, after its commit. It begins with its first statement, if it has one."""
        if not self.reachable:
            raise ConnectionError

        def work(connection: Connection) -> Any:
            with connection.begin():
                return unit(connection)

        async with engine.connect() as connection:
            return await connection.run_sync(work)

    def note(self, problem: BaseException | None) -> None:
        """Keep, and log, whether the database could be written just now."""
        if problem is not None and self.written:
            _log.error("the database cannot be written", exc_info=problem)
        elif problem is None and not self.written:
            _log.warning("the database can be written again")
        self.written = problem is None

    def _count(self, *_: object) -> None:
        self.statements += 1
