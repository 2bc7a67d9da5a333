"""The database as the rooms see it: work to read, work to write, and nothing about how."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Engine, event

from onduty.clock import Clock
from onduty.database import sqlite
from onduty.database.readers import ReadLine
from onduty.database.transaction import Reader, Writer
from onduty.database.writer import WriteLine

T = TypeVar("T")

READERS = 3


class Database:
    """An open database whose schema is this version's (`schema.prepare`). `close` it, or its threads keep it open."""

    def __init__(self, where: str | Path, clock: Clock, *, readers: int = READERS) -> None:
        path = sqlite.location(where)
        self._counted = 0
        self._counting = threading.Lock()
        writing, reading = sqlite.engine(path), sqlite.engine(path, query_only=True)
        self._count(writing)
        self._count(reading)
        self._writer = WriteLine(writing, clock)
        self._readers = ReadLine(reading, clock, readers)

    @classmethod
    def open(cls, where: str | Path, clock: Clock, *, readers: int = READERS) -> Self:
        """Open the SQLite file that a path or a `sqlite:///…` URL names, with so many threads to read."""
        return cls(where, clock, readers=readers)

    async def read(self, work: Callable[[Reader], T]) -> T:
        """What `work` returns; it runs in another thread, on one state of the database.

        What it raises comes out here; `errors.Unavailable` where the database cannot be reached.
        """
        result: T = await self._readers.read(work)
        return result

    async def write(self, work: Callable[[Writer], T]) -> T:
        """What `work` returns, once that is committed and on the disk; it runs in another thread, in a transaction.

        What it raises undoes all that it did, nothing else, and comes out here. `errors.Unavailable` where the database
        cannot be written just now, or is closed: then nothing was done. Once begun, work is not stopped by a
        cancellation of the caller.
        """
        result: T = await self._writer.write(work)
        return result

    async def close(self) -> None:
        """Do and answer what waits, refuse what comes, and close every connection."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """`close` for where no loop runs. Whoever calls it in the loop of a caller keeps that one from its answer."""
        # The writing connection goes last, so that it is the one that folds the log into the file.
        self._readers.close()
        self._writer.close()

    @property
    def writable(self) -> bool:
        """Whether the last write met a database that could be written. A later write finds out that it can be again."""
        return self._writer.writable

    @property
    def statements(self) -> int:
        """How many statements work has run since the database was opened; what begins and ends transactions is none."""
        return self._counted

    def _count(self, engine: Engine) -> None:
        def one_more(*_: Any) -> None:
            with self._counting:
                self._counted += 1

        event.listen(engine, "before_cursor_execute", one_more)
