"""That one server at a time uses a PostgreSQL database, and what time it is there.

The lock is an advisory one of a session (https://www.postgresql.org/docs/current/explicit-locking.html): the server
lets go of it when the connection ends, however the process ended. So the connection is one of its own, kept open and
asked every second; over a pooler it must be in session mode.
"""

import asyncio
import logging
from typing import Final, Self

from onduty.background import Wake
from onduty.clock import STEP_MS, Instant, boot_ms, sleep
from onduty.database import postgres
from onduty.database.postgres_pool import Pool
from onduty.database.refused import Refused

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 0.2
ANSWER_SECONDS: Final = 3.0
# A process that was killed just now may still be on the server's list.
TAKE_WITHIN: Final = 2.0
_KEY: Final = (0x6F6E64, 0x757479)  # "onduty"

_TIME: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_SERVER: Final = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')"
_TAKE: Final = "SELECT pg_try_advisory_lock($1, $2)"
_HOLDER: Final = """
    SELECT pid, application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint = $1 AND objid::bigint = $2 AND granted
"""
# A number for a transaction is given out only where one can be committed: not on a standby, not on a full disk.
_WRITE: Final = "SELECT pg_current_xact_id()"


class InUse(Refused):
    """Another server works on the same database."""


class Claim:
    """The right to be the one server on a database, and that server's clock (`now`) for this process's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: postgres.Link | None = None
        self._pool: Pool | None = None
        self._wake: Wake | None = None
        self._read_at, self._reading = 0, 0

    @classmethod
    async def take(cls, url: str) -> Self:
        """Take it. `InUse` if another process has it, `Refused` if the server cannot be reached or used."""
        claim = cls(url)
        try:
            connection = await postgres.connect(url)
            try:
                postgres.check_server(url, *await connection.fetchrow(_SERVER))
                await claim._lock(connection)
                await claim._look(connection, first=True)
            except BaseException:
                connection.terminate()
                raise
        except Refused:
            raise
        except Exception as error:
            raise postgres.refusal(url, error) from error
        claim._hold(connection)
        return claim

    def now(self) -> Instant:
        """The instant it is by the server's clock, as it was last read."""
        return self._reading + boot_ms() - self._read_at

    async def watch(self, wake: Wake, pool: Pool) -> None:
        """The loop: it looks whether the lock is held still, reads the time, and takes the lock again if it is lost.

        While it is lost, nothing is read or written. `InUse`, which ends the process, if another one has it then.
        """
        self._pool, self._wake = pool, wake
        pool.reachable = self._connection is not None
        while await wake.wait(LOOK_SECONDS if self._connection is not None else RETRY_SECONDS):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._keep(pool)
            except Refused:
                raise
            except Exception as error:
                if self._connection is not None:
                    self._lose(error)

    async def release(self) -> None:
        """Give it up."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=1)
            except Exception:
                _log.debug("closing the lock's connection failed", exc_info=True)

    async def _keep(self, pool: Pool) -> None:
        connection = self._connection or await self._again()
        await self._look(connection)
        if not pool.written:
            await connection.execute(_WRITE)
            pool.note(None)
        pool.reachable = self._connection is not None

    async def _again(self) -> postgres.Link:
        connection = await postgres.connect(self._url)
        try:
            await self._lock(connection)
        except BaseException:
            connection.terminate()
            raise
        self._hold(connection)
        _log.warning("the database is reached again")
        return connection

    def _hold(self, connection: postgres.Link) -> None:
        self._connection = connection
        connection.add_termination_listener(self._ended)

    def _ended(self, connection: postgres.Link) -> None:
        if connection is self._connection:
            self._lose(None)
            if self._wake is not None:
                self._wake.notify()

    def _lose(self, error: BaseException | None) -> None:
        connection, self._connection = self._connection, None
        _log.error("the database is not reached", exc_info=error)
        if connection is not None:
            connection.terminate()
        if self._pool is not None:
            # Another server may have the lock from now on: what is not committed must not be.
            self._pool.cut()

    async def _lock(self, connection: postgres.Link) -> None:
        until = boot_ms() + TAKE_WITHIN * 1000
        while not await connection.fetchval(_TAKE, *_KEY):
            holder = await connection.fetchrow(_HOLDER, *_KEY)
            if holder is not None and holder["application_name"] == postgres.own_name():
                # A connection of ours that this side lost and the server's side has not noticed.
                await connection.execute("SELECT pg_terminate_backend($1)", holder["pid"])
            elif boot_ms() > until:
                name = "" if holder is None else holder["application_name"].partition(" #")[0]
                who = f"an Onduty server ({name})" if name else "another Onduty server"
                raise InUse(f"The database {postgres.shown(self._url)} is already in use by {who}.")
            await sleep(0.05)

    async def _look(self, connection: postgres.Link, *, first: bool = False) -> None:
        before = boot_ms()
        reading = await connection.fetchval(_TIME)
        after = boot_ms()
        # What took long to come tells the time no better than what is known.
        if first or after - before <= STEP_MS:
            self._read_at, self._reading = (before + after) // 2, reading
