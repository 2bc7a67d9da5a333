"""A unit of work on its way to a database thread and back to whoever asked for it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy.exc import DBAPIError

from onduty.database.sqlite import is_unavailable
from onduty.errors import Unavailable

CANNOT_READ = "The database cannot be read just now"
CANNOT_WRITE = "The database cannot be written just now"
CLOSED = "The server is stopping"
OVERLOADED = "Too much is waiting for the database"


class Unit:
    """Work for a database thread, and the future of the caller who waits for it. Made in the caller's loop."""

    __slots__ = ("answer", "error", "value", "work")

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.value: Any = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException, message: str = CANNOT_WRITE) -> None:
        """Note why the work was not done. What only says that the database is out of reach becomes `Unavailable`."""
        out_of_reach = is_unavailable(error.orig if isinstance(error, DBAPIError) else error)
        self.value = None
        self.error = caused_by(error, message) if out_of_reach else error


def caused_by(error: BaseException, message: str = CANNOT_WRITE) -> Unavailable:
    """`Unavailable` that keeps what led to it, for the log."""
    refusal = Unavailable(message)
    refusal.__cause__ = error
    return refusal


def settle(units: Iterable[Unit]) -> None:
    """Answer the callers, each in its own loop. A caller may be gone, and so may its loop: then nothing happens."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Unit]] = {}
    for unit in units:
        by_loop.setdefault(unit.answer.get_loop(), []).append(unit)
    for loop, theirs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_answer, theirs)
        except RuntimeError:  # the loop is closed
            pass


def _answer(units: list[Unit]) -> None:
    for unit in units:
        # An error's traceback leads back to its unit: left there, each refusal would wait for the garbage collector.
        error, unit.error = unit.error, None
        if unit.answer.done():
            continue
        if error is None:
            unit.answer.set_result(unit.value)
        else:
            unit.answer.set_exception(_for_a_future(error))


def _for_a_future(error: BaseException) -> BaseException:
    # A future takes neither StopIteration nor what would end the loop that it is set in.
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError("the work ended in a way that cannot be passed on")
    wrapped.__cause__ = error
    return wrapped
