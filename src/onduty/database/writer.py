"""The one connection that writes, in a thread of its own, and the line in front of it.

Everything that waits is done in one transaction, each unit behind a savepoint, and answered after the commit: a hundred
writers cost one sync of the disk, nobody meets "database is locked", and a unit that fails spoils only itself.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from onduty.background import start_thread
from onduty.clock import Clock, boot_ms
from onduty.database import sqlite
from onduty.database.line import Line
from onduty.database.transaction import Writer
from onduty.database.unit import Unit, caused_by, settle
from onduty.errors import Unavailable

_log = logging.getLogger(__name__)

BATCH_UNITS = 256
BATCH_MS = 20


class WriteLine:
    """Units that wait to write. Its thread opens the connection with the first of them, and again after a failure."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.writable = True
        self._engine = engine
        self._clock = clock
        self._line = Line(servers=1)
        self._connection: Connection | None = None
        self._driver: sqlite3.Connection | None = None
        self._done = threading.Event()
        start_thread("database writer", self._run)

    async def write(self, work: Callable[[Writer], Any]) -> Any:
        """Have `work` done and committed. Once in line it is done even if the caller goes away."""
        unit = Unit(work)
        self._line.join(unit)
        return await unit.answer

    def close(self) -> None:
        """Finish what waits, then close the connection. Blocks; the callers' loops must go on to get their answers."""
        self._line.close()
        self._done.wait()

    def _run(self) -> None:
        try:
            while (first := self._line.next()) is not None:
                self._batch(first)
        finally:
            self._let_go()
            self._done.set()

    def _batch(self, first: Unit) -> None:
        batch = [first]
        try:
            driver = self._begin()
            for unit in self._together(batch):
                self._do(unit, driver)
            driver.execute("COMMIT")
        except BaseException as error:
            self._spoil(batch, error)
        else:
            self._note(next((unit.error for unit in batch if isinstance(unit.error, Unavailable)), None))
        settle(batch)

    def _begin(self) -> sqlite3.Connection:
        if self._driver is None:
            self._connection = self._engine.connect()
            self._driver = sqlite.driver(self._connection)
        self._driver.execute("BEGIN IMMEDIATE")
        return self._driver

    def _together(self, batch: list[Unit]) -> Iterator[Unit]:
        """The first unit of `batch`, then what waits, appended to it, as long as the batch is neither big nor old."""
        until = boot_ms() + BATCH_MS
        yield batch[0]
        while len(batch) < BATCH_UNITS and boot_ms() < until:
            unit = self._line.next_at_once()
            if unit is None:
                return
            batch.append(unit)
            yield unit

    def _do(self, unit: Unit, driver: sqlite3.Connection) -> None:
        assert self._connection is not None
        driver.execute("SAVEPOINT unit")
        try:
            unit.value = unit.work(Writer(self._connection, self._clock.now()))
        except BaseException as error:
            unit.fail(error)
            driver.execute("ROLLBACK TO unit")
        # Some failures (a full disk) end the whole transaction. Then there is no savepoint, and this fails the batch.
        driver.execute("RELEASE unit")

    def _spoil(self, batch: list[Unit], error: BaseException) -> None:
        """Nothing of the batch was done. Who came meanwhile is told so too, instead of waiting for the next failure."""
        self._let_go()
        while len(batch) < BATCH_UNITS and (unit := self._line.next_at_once()) is not None:
            batch.append(unit)
        # A unit's own failure may be what ended the transaction, and tells more than what followed from it.
        cause = next((unit.error for unit in batch if isinstance(unit.error, Unavailable)), error)
        for unit in batch:
            unit.fail(caused_by(cause))
        self._note(cause)

    def _note(self, problem: BaseException | None) -> None:
        if problem is not None and self.writable:
            _log.error("the database cannot be written", exc_info=problem)
        elif problem is None and not self.writable:
            _log.warning("the database can be written again")
        self.writable = problem is None

    def _let_go(self) -> None:
        """Close the connection, which undoes what is not committed. The next batch opens another."""
        connection, driver = self._connection, self._driver
        self._connection = self._driver = None
        for each in (connection, driver):
            try:
                if each is not None:
                    each.close()
            except (sqlite3.Error, SQLAlchemyError):
                _log.debug("closing the writing connection failed", exc_info=True)
