"""What is slower, larger or later once much is kept: 1 000 to 1 000 000 sessions that are over, on either database."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.figure import NO_GOAL, Figure, Goal
from benchmarks.filling import fill
from benchmarks.hot import marks, path_of
from benchmarks.loading import request
from benchmarks.machine import memory
from benchmarks.start_up import begun
from benchmarks.subjects import UNLIMITED, Bench, agents
from onduty.clock import wall_ms
from tests.database import postgres
from tests.serving import Server

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
_QUICK: Final = (100, 300)
_FLAT: Final = 1.5
_ACTIVE: Final = 20
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_UNITS: Final = {
    "list 20 active": "ms",
    "a page of 100, active=false": "ms",
    "the HTML page": "ms",
    "record activity": "ms",
    "memory (RSS)": "MB",
    "start to ready, beyond its imports": "ms",
}
Measured = Mapping[str, float]


@dataclass
class Grown:
    """A server whose data grows, with a browser's session there and those agents who are active all the while."""

    server: Server
    place: Path | str
    cookie: str
    active: list[str]

    def grow(self, first: int, last: int) -> None:
        """Add kept sessions; the server is stopped meanwhile, and afterwards."""
        project_id = self.server.project_id
        self.server.stop()
        fill(self.place, project_id, first, last, wall_ms())


def growth(bench: Bench) -> list[Figure]:
    """SQLite beside PostgreSQL: medians of one client that asks without a pause, and of starts."""
    sizes = _QUICK if bench.quick else SIZES
    with _both(bench) as both:
        measured: list[tuple[Measured, Measured]] = []
        for number, size in enumerate(sizes):
            for grown in both:
                grown.grow(sizes[number - 1] + 1 if number else 1, size)
            ours, theirs = (_measured(bench, grown) for grown in both)
            measured.append((ours, theirs))
    return [_figure(what, sizes, measured, number) for what in _UNITS for number in range(len(sizes))]


@contextmanager
def _both(bench: Bench) -> Iterator[tuple[Grown, Grown]]:
    programs = postgres.programs()
    assert programs is not None, "PostgreSQL is not installed (Debian: postgresql)"
    with ExitStack() as held:
        cluster = held.enter_context(postgres.running(programs, ""))
        url = cluster.new()
        yield _grown(bench, held, "sqlite", None), _grown(bench, held, "postgresql", url)


def _grown(bench: Bench, held: ExitStack, name: str, url: str | None) -> Grown:
    environment = {**UNLIMITED, "ONDUTY_BACKUPS": "0", **({"ONDUTY_DATABASE": url} if url else {})}
    server = Server.start(bench.folder / name, environment=environment)
    held.callback(server.kill9)
    secret = server.sign_in_link.partition("#")[2]
    answer = server.call("POST", "/sign-in", token=None, body=f"secret={secret}".encode(), headers=_FORM)
    cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
    return Grown(server, url or server.data / "onduty.sqlite3", cookie, agents(server, _ACTIVE))


def _measured(bench: Bench, grown: Grown) -> Measured:
    """The server is stopped before, and runs afterwards."""
    server = grown.server
    starts = [begun(server).beyond * 1000 for _ in range(1 if bench.quick else 3)]
    server.restart()
    for session_id in grown.active:
        assert server.call("POST", f"/api/agent-sessions/{session_id}/activity").status == 204
    assert len(server.call("GET", path_of(server)).json["sessions"]) == _ACTIVE
    page = f"{path_of(server)}?active=false&limit=100"
    visit = request("GET", f"/projects/{server.project_id}", server.token, headers={"Cookie": grown.cookie})
    asked = {
        "list 20 active": ([request("GET", path_of(server), server.token)], "200"),
        "a page of 100, active=false": ([request("GET", page, server.token)], "200"),
        "the HTML page": ([visit], "200"),
        "record activity": ([marks(server, session_id) for session_id in grown.active], "204"),
    }
    found = {what: _took(bench, server, script, status) for what, (script, status) in asked.items()}
    return {
        **found,
        "memory (RSS)": memory(server.pid)["rss"],
        "start to ready, beyond its imports": statistics.median(starts),
    }


def _took(bench: Bench, server: Server, script: list[str], status: str) -> float:
    """Milliseconds to an answer, the median."""
    heard = bench.ask(server, [script], status, connections=1)
    [took] = heard.took.values()
    return took.p50


def _figure(what: str, sizes: Sequence[int], measured: list[tuple[Measured, Measured]], number: int) -> Figure:
    ours, theirs = (found[what] for found in measured[number])
    goal = NO_GOAL
    if number:
        first = measured[0]
        met = ours <= _FLAT * first[0][what] and theirs <= _FLAT * first[1][what]
        goal = Goal(f"both ≤ {_FLAT:g} x with {sizes[0]:,}", met)
    return Figure("growth", f"{sizes[number]:,} kept: {what}", _UNITS[what], ours, theirs, "PostgreSQL", goal)
