"""An agent's machine with the real hook program, and a server in this process; a test moves the clocks of both."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from onduty.clock import Instant
from tests.client.machine import Batch, Machine, Receiver
from tests.inside import Inside, Still, furnish, opened

T = TypeVar("T")
MIN, HOUR = 60_000, 3_600_000
_DELIVER = """import os, sys
root = sys.argv[1]
sys.path.insert(0, os.path.join(root, "program"))
from onduty.client import connections, delivery, spool
token = connections.read(root)["claude"]["token"]
print(sum(delivery.deliver_spool(root, heading, token) for heading, _ in spool.headings(root)))
"""
_READS_TIME = "return time.time_ns() // 1_000_000"


class Story:
    """Bob's agent, whose hooks run as Claude Code would run them; `wrong_by` is how far its machine's clock is off."""

    def __init__(self, root: Path, receiver: Receiver, loop: asyncio.AbstractEventLoop, wrong_by: int) -> None:
        self._loop = loop
        self._place = root / "server" / "onduty.sqlite3"
        self._place.parent.mkdir(parents=True)
        self._stack = AsyncExitStack()
        self._inside: Inside | None = None
        self._clock = Still()
        self.began = self._clock.instant
        self._tokens, self._project = self._wait(furnish(self._place, self._clock))
        self.up()
        words = {"token": self._tokens["Bob"], "project": self._project, "machine": "laptop"}
        self.machine = Machine(root / "home", receiver.origin, **words)
        self._offset = 0
        self.step_clock(wrong_by)
        receiver.answer = self._answer

    def _wait(self, coming: Awaitable[T]) -> T:
        async def it() -> T:
            return await coming

        return asyncio.run_coroutine_threadsafe(it(), self._loop).result(30)

    def _answer(self, batch: Batch) -> tuple[int, Any]:
        if self._inside is None:
            return 503, {"error": "it is away"}
        answer = self._wait(self._inside.call("Bob", "POST", "/api/agent-events", batch))
        return answer.status, answer.json

    def up(self) -> None:
        """The server starts, on the data that is there."""
        inside = opened(self._place, self._clock, self._tokens, self._project)
        self._inside = self._wait(self._stack.enter_async_context(inside))

    def down(self) -> None:
        """The server leaves."""
        self._listened()
        self._inside = None
        self._wait(self._stack.aclose())

    def pass_time(self, ms: int) -> None:
        """So much time passes, for the server and for the machine."""
        self._clock.instant += ms
        self._listened()
        self.step_clock(ms)

    def _listened(self) -> None:
        if self._inside is not None:
            self._wait(self._inside.rooms.keeping.flush())

    def step_clock(self, ms: int) -> None:
        """The machine's clock alone is set forward, or back; the hook program reads it so from now on."""
        before, self._offset = self._offset, self._offset + ms
        file = Path(self.machine.root) / "program" / "onduty" / "client" / "state.py"
        text = file.read_text()
        now = f"{_READS_TIME} + {before}\n" if f"{_READS_TIME} + " in text else f"{_READS_TIME}\n"
        assert now in text
        file.write_text(text.replace(now, f"{_READS_TIME} + {self._offset}\n"))
        for compiled in file.parent.glob("__pycache__/state.*"):
            compiled.unlink()

    def hook(self, event: str, **payload: Any) -> str:
        """What the hook said. On a busy machine it may have come too late: then it is brought as the next would."""
        said = self.machine.hook(event, **payload)[0]
        if self._inside is not None and self.machine.waiting():
            self.deliver()
        return said

    def deliver(self) -> int:
        """The machine's own program delivers what waits, as `onduty doctor` lets it; how many events that were."""
        python = self.machine.command("")[:-4]
        done = subprocess.run([*python, "-c", _DELIVER, self.machine.root], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def rows(self) -> list[dict[str, Any]]:
        """All that is shown, oldest first."""
        assert self._inside is not None
        path = f"/api/projects/{self._project}/agent-sessions?active=false"
        rows = self._wait(self._inside.call("Alice", "GET", path)).json["sessions"]
        return sorted(rows, key=lambda row: str(row["session_id"]))

    def row(self) -> dict[str, Any]:
        """The only one."""
        [row] = self.rows()
        return row

    def after(self, *minutes: int) -> list[str]:
        """The state and its signal so many minutes after the last of them; time passes by that."""
        found, passed = [], 0
        for each in minutes:
            self.pass_time((each - passed) * MIN)
            passed = each
            row = self.row()
            found.append(f"{row['state']} {row['because']['signal']}")
        return found

    @property
    def now(self) -> Instant:
        """The server's."""
        return self._clock.instant


@contextmanager
def story(root: Path, wrong_by: int = 0) -> Iterator[Story]:
    """One, for the time of a `with` statement."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        with Receiver() as receiver:
            told = Story(root, receiver, loop, wrong_by)
            try:
                yield told
            finally:
                told.down()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
