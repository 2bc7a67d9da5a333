"""Work on a SQLite file: one thread that writes, some that read."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from onduty.clock import Clock
from onduty.database import sqlite
from onduty.database.readers import ReadLine
from onduty.database.transaction import Reader, Writer
from onduty.database.writer import WriteLine


class Lines:
    """The lines in front of the threads, which keep the file open until `close`."""

    def __init__(self, where: str | Path, clock: Clock, readers: int) -> None:
        path = sqlite.location(where)
        self.statements = 0
        self._counting = threading.Lock()
        writing, reading = sqlite.engine(path), sqlite.engine(path, query_only=True)
        self._count(writing)
        self._count(reading)
        self._writer = WriteLine(writing, clock)
        self._readers = ReadLine(reading, clock, readers)

    @property
    def writable(self) -> bool:
        return self._writer.writable

    async def read(self, work: Callable[[Reader], Any]) -> Any:
        return await self._readers.read(work)

    async def write(self, work: Callable[[Writer], Any], *, alone: bool = False) -> Any:
        return await self._writer.write(work)

    async def close(self) -> None:
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        # The writing connection goes last, so that it is the one that folds the log into the file.
        self._readers.close()
        self._writer.close()

    def _count(self, engine: Engine) -> None:
        def one_more(*_: Any) -> None:
            with self._counting:
                self.statements += 1

        event.listen(engine, "before_cursor_execute", one_more)
