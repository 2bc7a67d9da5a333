"""The processes that are measured: Onduty itself, and those that it is compared with."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count as count_from
from pathlib import Path
from typing import Any, Final

from benchmarks.loading import Heard, Load
from tests.asking import Answer
from tests.serving import Server

# High enough to refuse nobody, so that counting is measured too.
LIMITED: Final = {"ONDUTY_RATE_LIMIT": "1000000000"}
UNLIMITED: Final = {"ONDUTY_RATE_LIMIT": "0"}
_EVENTS: Final = 500
_groups: Final = count_from(1)
_NOT_COPIED: Final = {"date", "server", "connection", "transfer-encoding"}


@dataclass
class Bench:
    """What every row is given: a folder, the load, and how much of it."""

    folder: Path
    load: Load
    quick: bool
    _servers: int = 0
    _shared: Server | None = None

    @property
    def rounds(self) -> int:
        return 1 if self.quick else 7

    @property
    def seconds(self) -> float:
        return 0.15 if self.quick else 1.0

    def sized(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @contextmanager
    def onduty(self, environment: Mapping[str, str] = LIMITED) -> Iterator[Server]:
        """A server of its own, stopped at the end; the same one for all where it only has to run."""
        if self.quick and self._shared is not None:
            yield self._shared
            return
        self._servers += 1
        server = Server.start(self.folder / f"server-{self._servers}", environment=environment)
        if self.quick:
            self._shared = server
        try:
            yield server
        finally:
            if not self.quick:
                server.kill9()

    def close(self) -> None:
        """Stop what is still running."""
        if self._shared is not None:
            self._shared.kill9()

    def ask(self, at: Server | Other, scripts: Sequence[Sequence[str]], *expect: str, connections: int = 16) -> Heard:
        """Load for one round."""
        return self.load.run(at.port, at.pid, scripts, connections=connections, seconds=self.seconds, expect=expect)

    def once(self, at: Server | Other, scripts: Sequence[Sequence[str]], *expect: str) -> Heard:
        """Each script once, all at the same time."""
        return self.load.run(at.port, at.pid, scripts, connections=len(scripts), seconds=None, expect=expect)


@dataclass
class Other:
    """A process to compare with."""

    port: int
    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid


@contextmanager
def other(module: str, told: Any) -> Iterator[Other]:
    """`python -m MODULE PORT` with one line of JSON on stdin, once it answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(json.dumps(told) + "\n")
    process.stdin.close()
    try:
        _await(port)
        yield Other(port, process)
    finally:
        process.kill()
        process.wait()


def _await(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def plain(**answers: Answer) -> Any:
    """What the baseline is told: the very answers that the server gave, by method, headers included."""
    return {method: as_told(answer) for method, answer in answers.items()}


def as_told(answer: Answer) -> dict[str, Any]:
    headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_COPIED]
    return {"status": answer.status, "headers": headers, "body": answer.body.decode()}


def agents(server: Server, count: int) -> list[str]:
    """Register that many agents by their clients' first events; the ids of their sessions."""
    found: list[str] = []
    group = next(_groups)
    for first in range(0, count, _EVENTS):
        events = [
            {
                "id": f"start-{group}-{number}",
                "kind": "start",
                "at": "2026-01-01T00:00:00Z",
                "session": f"conversation-{group}-{number}",
                "branch": f"feature/{number}",
                "folder": f"/home/dev/project-{number}",
            }
            for number in range(first, min(first + _EVENTS, count))
        ]
        batch = {"sent_at": "2026-01-01T00:00:00Z", "caller_origin": "claude-code", "client_version": "2.1.330"}
        answer = server.call("POST", "/api/agent-events", json={**batch, "events": events}, timeout=60)
        assert answer.status == 200, answer.body
        found += [result["session_id"] for result in answer.json["results"]]
    return found
