"""Named, watched loops. Nothing else in the server starts a task or a thread.

A loop waits on a `Wake`, so that it ends at once when the process does:

    while await wake.wait(0.5):
        await flush()
    await flush()
"""

import asyncio
import logging
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any, TypeVar

from onduty.errors import Unavailable

_log = logging.getLogger(__name__)
T = TypeVar("T")
_GRACE = 1.0  # seconds that what is cancelled has for its clean-up
_ASKED_EVERY = 0.2  # seconds


class Wake:
    """A wait that is "notified, or due, or stopping". `notify` and `stop` are called in the event loop's thread."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """Whether every later wait is over, with False."""
        return self._stopping

    def notify(self) -> None:
        """Let the waiting ones go on; if nobody waits, the next wait is over at once."""
        self._event.set()

    def stop(self) -> None:
        """This and every later wait is over, with False."""
        self._stopping = True
        self._event.set()

    async def wait(self, due_in: float | None = None) -> bool:
        """Wait until notified, stopped, or `due_in` seconds (None: no limit) have passed. True: go on, False: stop."""
        if not self._stopping:
            try:
                async with asyncio.timeout(due_in):
                    await self._event.wait()
            except TimeoutError:
                pass
            self._event.clear()
        return not self._stopping


class Background:
    """The process's loops and one-off tasks.

    `failed` names the first loop that died: from then on the process is not ready, and it leaves. `on_failure` is
    called with the loop's name and its exception, None where it returned though nothing was stopping.
    """

    def __init__(self, on_failure: Callable[[str, BaseException | None], None] | None = None) -> None:
        self.on_failure = on_failure
        self.failed: str | None = None
        self.stopping = False
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._wakes: weakref.WeakSet[Wake] = weakref.WeakSet()

    def wake(self) -> Wake:
        """A wait that `stop` ends."""
        wake = Wake()
        self._wakes.add(wake)
        if self.stopping:
            wake.stop()
        return wake

    def start(self, name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a loop that lasts as long as the process; it may return only once it is being stopped."""
        self.spawn(name, self._watch(name, loop))

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a one-off task. `stop` awaits it; if it fails, that is logged and the process goes on."""
        # What goes on for as long as the process is no part of the request that first needed it.
        task = asyncio.get_running_loop().create_task(work, name=name, context=Context())
        self._tasks[task] = name
        task.add_done_callback(self._done)

    async def stop(self, deadline: float = 4.0) -> list[str]:
        """End all waits, await all tasks for `deadline` seconds and cancel the rest, whose names are the answer."""
        self.stopping = True
        for wake in list(self._wakes):
            wake.stop()
        try:
            async with asyncio.timeout(deadline):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            pass
        return await self._cancel()

    async def _cancel(self) -> list[str]:
        late = dict(self._tasks)
        for task in late:
            task.cancel()
        if late:
            _log.warning("cancelled at stop: %s", ", ".join(late.values()))
            await asyncio.wait(late, timeout=_GRACE)
        return list(late.values())

    async def _watch(self, name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await loop()
        except asyncio.CancelledError as error:
            if not self.stopping:
                self._fail(name, error)
            raise
        except Exception as error:
            self._fail(name, error)
        else:
            if not self.stopping:
                self._fail(name, None)

    def _fail(self, name: str, error: BaseException | None) -> None:
        _log.critical("the loop %r died", name, exc_info=error)
        self.failed = self.failed or name
        if self.on_failure is not None:
            self.on_failure(name, error)

    def _done(self, task: asyncio.Task[None]) -> None:
        name = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the task %r failed", name, exc_info=error)


async def unstopped(name: str, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. A caller that is cancelled leaves at once, and the work goes on to its end without it."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    # The loop itself does not keep a task alive.
    _unstopped.add(task)
    task.add_done_callback(_unstopped.discard)
    return await asyncio.shield(task)


async def unless(stop: Callable[[], bool], work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. Once `stop`, asked some times a second, answers True it is cancelled: CancelledError."""
    task = asyncio.get_running_loop().create_task(work)
    while not task.done():
        await asyncio.wait([task], timeout=_ASKED_EVERY)
        if stop() and task.cancel():
            await asyncio.wait([task], timeout=_GRACE)
            raise asyncio.CancelledError
    return task.result()


_unstopped: set[asyncio.Task[Any]] = set()


def start_thread(name: str, work: Callable[[], None]) -> threading.Thread:
    """A thread that does not keep the process alive. `work` answers for its own failures."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


class Threads:
    """Threads for what would hold the loop up, `number` of them at most, started when first needed."""

    def __init__(self, name: str, number: int, most_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(number, name)
        self._most = number + most_waiting
        self._under_way = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, once its turn has come. Unavailable where `most_waiting` others wait already."""
        if self._under_way >= self._most:
            raise Unavailable("Too much is waiting")
        self._under_way += 1
        try:
            return await asyncio.wrap_future(self._pool.submit(work))
        finally:
            self._under_way -= 1
