"""A line of units in front of database threads: first come, first served, closed once and then for good."""

import threading
from queue import Empty, SimpleQueue

from onduty.database.unit import CLOSED, OVERLOADED, Unit
from onduty.errors import Unavailable

LONGEST = 10_000
"""Units that may wait; more would only be answered after their callers have given up."""


class Line:
    """Units that wait for one of `servers` threads. `join` may be called in any thread."""

    def __init__(self, servers: int) -> None:
        self._queue: SimpleQueue[Unit | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._servers = servers

    def join(self, unit: Unit) -> None:
        """Stand in line. `Unavailable` when it is closed or too long."""
        # The lock keeps a unit from coming after the marks that end the threads: it would never be answered.
        with self._lock:
            if self._closed:
                raise Unavailable(CLOSED)
            if self._queue.qsize() >= LONGEST:
                raise Unavailable(OVERLOADED)
            self._queue.put(unit)

    def close(self) -> None:
        """Let nobody in any more; who stands in line is still served."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in range(self._servers):
                    self._queue.put(None)

    def next(self) -> Unit | None:
        """The next unit, as soon as there is one; None once the line is closed and empty."""
        return self._queue.get()

    def next_at_once(self) -> Unit | None:
        """The next unit if there is one now. For a line with one server."""
        try:
            unit = self._queue.get_nowait()
        except Empty:
            return None
        if unit is None:
            self._queue.put(None)
        return unit
