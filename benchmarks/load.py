"""The load: a process of its own with many kept-alive connections, none of which asks again before it was answered.

`python -m benchmarks.load` takes one `Work` a line as JSON on stdin and answers each with one line.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter, defaultdict
from functools import partial
from typing import Any, Final, cast

import uvloop

WIRE: Final = b"@WIRE@"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WIRE_ID: Final = re.compile(rb"\r\nmcp-session-id: *(\S+)", re.IGNORECASE)
_NO_BODY: Final = (b"204", b"304", b"202")
_ANSWERED_WITHIN: Final = 60.0


class Run:
    """What all connections of one piece of work share."""

    def __init__(self, began: float, until: float | None) -> None:
        self.began, self.until = began, until
        self.statuses: Counter[str] = Counter()
        self.took: defaultdict[str, list[float]] = defaultdict(list)
        self.finished: list[float] = []
        self.open = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        self.open -= 1
        self.finished.append(time.perf_counter() - self.began)
        if not self.open and not self.over.done():
            self.over.set_result(None)


class Connection(asyncio.Protocol):
    """Sends its requests one after the other: round and round until the time is over, or each once."""

    def __init__(self, run: Run, requests: list[bytes], first: int) -> None:
        self.run, self.requests, self.next = run, requests, first
        self.kinds = [request.partition(b" ")[0].decode() for request in requests]
        self.buffer, self.wire, self.left = b"", b"", len(requests)
        self.sent = 0.0
        run.open += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's by behaviour alone.
        self.transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        request = self.requests[self.next]
        if self.wire:
            request = request.replace(WIRE, self.wire)
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        found = None if self.buffer[9:12] in _NO_BODY else _LENGTH.search(self.buffer, 0, end)
        if len(self.buffer) >= end + 4 + (int(found[1]) if found else 0):
            self._answered(end)

    def _answered(self, end: int) -> None:
        now, run = time.perf_counter(), self.run
        run.statuses[self.buffer[9:12].decode()] += 1
        run.took[self.kinds[self.next]].append(now - self.sent)
        if run.until is None and (wire := _WIRE_ID.search(self.buffer, 0, end)):
            self.wire = wire[1]
        self.buffer, self.left = b"", self.left - 1
        self.next = (self.next + 1) % len(self.requests)
        if (run.until is None and not self.left) or (run.until is not None and now >= run.until):
            self.transport.close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.close()


async def work(port: int, scripts: list[list[str]], connections: int, seconds: float | None) -> dict[str, Any]:
    """Connection i runs script i (round and round over the scripts), and begins elsewhere in it than the others."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    run = Run(began, None if seconds is None else began + seconds)
    encoded = [[request.encode("latin-1") for request in script] for script in scripts]

    def connection(number: int) -> Connection:
        script = encoded[number % len(encoded)]
        # A stride of 7 spreads the places; where two kinds of request take turns, connections are out of step.
        return Connection(run, script, 0 if seconds is None else number * 7 % len(script))

    made = (loop.create_connection(partial(connection, number), "127.0.0.1", port) for number in range(connections))
    async with asyncio.timeout((seconds or 0) + _ANSWERED_WITHIN):
        await asyncio.gather(*made)
        await run.over
    return {
        "seconds": time.perf_counter() - began,
        "statuses": run.statuses,
        "took": {kind: _spread(took) for kind, took in run.took.items()},
        "finished": run.finished,
    }


def _spread(took: list[float]) -> dict[str, float]:
    took.sort()
    last = len(took) - 1
    return {"p50": took[last // 2], "p95": took[round(last * 0.95)], "max": took[last], "count": len(took)}


def main() -> None:
    for line in sys.stdin:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sys.stdout.write(json.dumps(runner.run(work(**json.loads(line)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
