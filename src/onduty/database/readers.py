"""Threads that read, each with a connection of its own that can write nothing, so that no read blocks the loop."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from onduty.background import start_thread
from onduty.clock import Clock
from onduty.database import sqlite
from onduty.database.line import Line
from onduty.database.transaction import Reader
from onduty.database.unit import CANNOT_READ, Unit, settle

_log = logging.getLogger(__name__)


class ReadLine:
    """Units that wait to read. Each sees one state of the database, however many statements it runs."""

    def __init__(self, engine: Engine, clock: Clock, threads: int) -> None:
        self._engine = engine
        self._clock = clock
        self._line = Line(servers=threads)
        self._done = [threading.Event() for _ in range(threads)]
        for number, done in enumerate(self._done, 1):
            start_thread(f"database reader {number}", partial(self._run, done, self._open()))

    async def read(self, work: Callable[[Reader], Any]) -> Any:
        """Have `work` done. A caller who goes away before it began spares it."""
        unit = Unit(work)
        self._line.join(unit)
        return await unit.answer

    def close(self) -> None:
        """Finish what waits, then close the connections. Blocks; the callers' loops must go on to get their answers."""
        self._line.close()
        for done in self._done:
            done.wait()

    def _open(self) -> Connection | None:
        # Opened before it is needed, and read from: as long as a reader has the log open, the writer can let go of its
        # connection without SQLite removing the log, which on a full disk could not be made again. So reads go on.
        connection: Connection | None = None
        try:
            connection = self._engine.connect()
            sqlite.driver(connection).execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, SQLAlchemyError):
            self._let_go(connection)
            return None
        return connection

    def _run(self, done: threading.Event, connection: Connection | None) -> None:
        try:
            while (unit := self._line.next()) is not None:
                if not unit.answer.cancelled():
                    connection = self._serve(unit, connection)
                    settle([unit])
        finally:
            self._let_go(connection)
            done.set()

    def _serve(self, unit: Unit, connection: Connection | None) -> Connection | None:
        """Do the work and answer the connection for the next one, None if this one is not to be trusted any more."""
        try:
            connection = connection or self._engine.connect()
            driver = sqlite.driver(connection)
            driver.execute("BEGIN")
            try:
                unit.value = unit.work(Reader(connection, self._clock.now()))
            finally:
                if driver.in_transaction:
                    driver.execute("ROLLBACK")
        except BaseException as error:
            if sqlite.is_forbidden_write(error):
                unit.error = error
            else:
                unit.fail(error, CANNOT_READ)
            if isinstance(error, (sqlite3.Error, SQLAlchemyError)):
                self._let_go(connection)
                return None
        return connection

    def _let_go(self, connection: Connection | None) -> None:
        try:
            if connection is not None:
                connection.close()
        except (sqlite3.Error, SQLAlchemyError):
            _log.debug("closing a reading connection failed", exc_info=True)
