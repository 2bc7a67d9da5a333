"""What a person sees of an upgrade while it lasts: which step it is at, for how long, and how long it may take."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from onduty.background import start_thread
from onduty.clock import boot_ms

Tell = Callable[[str], None]

TOLD_EVERY_SECONDS: Final = 2.0


def on_stderr(line: str) -> None:
    """Tell a line on stderr, where what is meant for people stands."""
    sys.stderr.write(f"onduty: {line}\n")
    sys.stderr.flush()


class Progress:
    """An upgrade on its way. `expected_ms` is an estimate for one step, None where there is nothing to go by."""

    def __init__(self, tell: Tell, found: str, steps: int, expected_ms: int | None = None) -> None:
        self._tell = tell
        self._found = found
        self._steps = steps
        self._step = 1
        self._expected_ms = expected_ms
        self._began = boot_ms()

    def applied(self, **told: Any) -> None:
        """A step is done: what Alembic calls `on_version_apply`."""
        self._tell(f"upgrading the data: step {self._step} of {self._steps} done ({told['step'].up_revision_id})")
        self._step += 1

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say that it begins, every few seconds how far it is, and when it is done."""
        over = threading.Event()
        self._tell(f"upgrading the data from schema {self._found}: {self._many()}, {self._estimate()}")
        ticker = start_thread("upgrade", lambda: self._tick(over))
        try:
            yield
        finally:
            over.set()
            ticker.join()
        self._tell(f"the data is upgraded, after {self._seconds()} s")

    def _tick(self, over: threading.Event) -> None:
        while not over.wait(TOLD_EVERY_SECONDS):
            step = min(self._step, self._steps)
            self._tell(f"upgrading the data: step {step} of {self._steps}, {self._seconds()} s so far, {self._rest()}")

    def _seconds(self) -> int:
        return (boot_ms() - self._began) // 1000

    def _many(self) -> str:
        return "1 step" if self._steps == 1 else f"{self._steps} steps"

    def _estimate(self) -> str:
        if self._expected_ms is None:
            return "which may take a while"
        return f"about {_upwards(self._expected_ms * self._steps)} s"

    def _rest(self) -> str:
        """By the steps that are done, else by the estimate."""
        passed, done = boot_ms() - self._began, self._step - 1
        if done:
            return f"about {_upwards(passed * (self._steps - done) // done)} s to go"
        if self._expected_ms is None:
            return "under way"
        if passed >= self._expected_ms * self._steps:
            return "which is longer than was expected"
        return f"about {_upwards(self._expected_ms * self._steps - passed)} s to go"


def _upwards(ms: int) -> int:
    return max(1, -(-ms // 1000))
