"""How a benchmark has the load do a piece of work, and what it hears of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from benchmarks.machine import cpu_seconds


class LoadError(Exception):
    """The server answered otherwise than the benchmark needs; the text says how."""


@dataclass(frozen=True)
class Took:
    """Milliseconds from a request to its answer."""

    p50: float
    p95: float
    max: float
    count: int


@dataclass(frozen=True)
class Heard:
    """What came of a piece of work: answers a second, the server's CPU microseconds an answer, and milliseconds."""

    seconds: float
    cpu_seconds: float
    statuses: Mapping[str, int]
    took: Mapping[str, Took]
    finished: list[float] = field(default_factory=list)

    @property
    def answers(self) -> int:
        return sum(self.statuses.values())

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.answers * 1e6


class Load:
    """The load's process. Use it in a `with`."""

    def __enter__(self) -> Load:
        command = [sys.executable, "-m", "benchmarks.load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def run(
        self,
        port: int,
        pid: int,
        scripts: Sequence[Sequence[str]],
        *,
        connections: int,
        seconds: float | None,
        expect: Sequence[str],
    ) -> Heard:
        """Have it ask the server at `port`, whose process is `pid`. `seconds` None: each script once.

        Raises LoadError where an answer has a status that is not expected.
        """
        given = {"port": port, "scripts": scripts, "connections": connections, "seconds": seconds}
        before = cpu_seconds(pid)
        told = self._ask(given)
        used = cpu_seconds(pid) - before
        if not told["statuses"] or set(told["statuses"]) - set(expect):
            raise LoadError(f"answers {told['statuses']} where only {', '.join(expect)} are expected")
        took = {
            kind: Took(spread["p50"] * 1e3, spread["p95"] * 1e3, spread["max"] * 1e3, int(spread["count"]))
            for kind, spread in told["took"].items()
        }
        return Heard(told["seconds"], used, told["statuses"], took, [each * 1e3 for each in told["finished"]])

    def _ask(self, given: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise LoadError("the load's process is gone")
        return json.loads(line)


def request(method: str, path: str, token: str, body: str = "", headers: Mapping[str, str] | None = None) -> str:
    """One HTTP request as it goes over the wire, with the headers that clients usually send."""
    told = {
        "Host": "127.0.0.1",
        "User-Agent": "onduty-benchmark/1",
        "Accept": "application/json",
        "Authorization": f"Bearer {token}",
        **({"Content-Type": "application/json"} if body else {}),
        **({"Content-Length": str(len(body.encode()))} if method == "POST" else {}),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n{body}"
