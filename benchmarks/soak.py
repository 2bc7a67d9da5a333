"""`python -m benchmarks.soak [MINUTES]`: agents come, work and go, the server is killed and started again, and what
must always hold is looked at all the while. 1 where something did not hold, else 0."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import memory
from benchmarks.subjects import UNLIMITED
from tests.serving import Server

_AGENTS: Final = 8
_KILL_EVERY: Final = 60.0
_SURELY_ACTIVE: Final = 240.0
_MB_MORE: Final = 60
"""By how much memory may have grown in the end: what is kept is what is in memory, and each session is 5 kB."""


class Floor:
    """Many may work at the same time; who is to look, or to kill, is alone."""

    def __init__(self) -> None:
        self._turn, self._changed, self._working = threading.Lock(), threading.Condition(), 0

    @contextmanager
    def working(self) -> Iterator[None]:
        with self._turn, self._changed:
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._turn:
            with self._changed:
                self._changed.wait_for(lambda: not self._working)
            yield


@dataclass
class Seen:
    """What was answered, so what has to be true."""

    live: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    requests: int = 0
    acted: dict[str, float] = field(default_factory=dict)
    floor: Floor = field(default_factory=Floor)

    def hold(self, what: str, holds: bool) -> None:
        if not holds:
            self.broken.append(what)


def agent(server: Server, seen: Seen, number: int, until: float) -> None:
    """One after the other: a session that registers, works for a while and, mostly, ends."""
    chance, turn = random.Random(number), 0
    while time.monotonic() < until and not seen.broken:
        turn += 1
        with seen.floor.working():
            session_id = _register(server, seen, f"agent-{number}-{turn}")
        for _ in range(chance.randrange(20)):
            with seen.floor.working():
                _work(server, seen, session_id, chance)
        if chance.random() < 0.8:
            with seen.floor.working():
                seen.hold(f"{session_id} cannot end", _ask(server, seen, "DELETE", session_id)[0] == 204)
                seen.live.pop(session_id)
                seen.ended.add(session_id)


def _register(server: Server, seen: Seen, ref: str) -> str:
    body = {"machine_id": "soak", "caller_origin": "codex", "client_ref": ref}
    answer = server.call("POST", f"/api/projects/{server.project_id}/agent-sessions", json=body)
    seen.requests += 1
    seen.hold(f"register answered {answer.status}", answer.status == 201)
    session_id = str(answer.json["session_id"])
    seen.hold(f"{session_id} was given twice", session_id not in seen.live and session_id not in seen.ended)
    seen.live[session_id] = str(answer.json["last_activity_at"])
    seen.acted[session_id] = time.monotonic()
    return session_id


def _work(server: Server, seen: Seen, session_id: str, chance: random.Random) -> None:
    ended = chance.choice(sorted(seen.ended)) if seen.ended and chance.random() < 0.1 else None
    if ended is not None:
        seen.hold(f"ended {ended} takes activity", _ask(server, seen, "POST", f"{ended}/activity")[0] == 409)
    if chance.random() < 0.5:
        status, _ = _ask(server, seen, "PATCH", session_id, {"said": f"step {chance.random()}"})
        seen.hold(f"PATCH of {session_id} answered {status}", status == 200)
    status, _ = _ask(server, seen, "POST", f"{session_id}/activity")
    seen.hold(f"activity of {session_id} answered {status}", status == 204)
    seen.acted[session_id] = time.monotonic()


def _ask(server: Server, seen: Seen, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    seen.requests += 1
    answer = server.call(method, f"/api/agent-sessions/{path}", json=body)
    return answer.status, answer.json


def look(server: Server, seen: Seen, *, after_kill: bool = False) -> None:
    """The list against what was answered. A kill may cost the activity of the last second, and nothing else."""
    answer = server.call("GET", f"/api/projects/{server.project_id}/agent-sessions")
    again = server.call("GET", f"/api/projects/{server.project_id}/agent-sessions")
    rows = answer.json["sessions"]
    ids = [row["session_id"] for row in rows]
    same_tag = answer.headers["ETag"] == again.headers["ETag"]
    seen.hold("an equal tag for unequal lists", not same_tag or answer.body == again.body)
    seen.hold("a row twice", len(ids) == len(set(ids)))
    seen.hold("an ended session in the list", not seen.ended & set(ids))
    seen.hold("a row that nobody registered", set(ids) <= set(seen.live))
    recent = {each for each in seen.live if seen.acted[each] > time.monotonic() - _SURELY_ACTIVE}
    seen.hold("a session at work that is not in the list", recent <= set(ids))
    order = [(-_number(row["last_activity_at"]), row["session_id"]) for row in rows]
    seen.hold("rows out of order", order == sorted(order))
    for row in rows:
        last = row["last_activity_at"]
        seen.hold(f"{row['session_id']} went back", after_kill or last >= seen.live[row["session_id"]])
        seen.live[row["session_id"]] = last
    for session_id in list(seen.live)[-_AGENTS:]:
        status = server.call("GET", f"/api/agent-sessions/{session_id}").status
        seen.hold(f"{session_id} is lost", status == 200)


def _number(text: str) -> int:
    return int("".join(filter(str.isdigit, text)))


def soak(folder: Path, minutes: float) -> Seen:
    """Work for that long; the first thing that does not hold ends it."""
    server, seen = Server.start(folder, environment=UNLIMITED), Seen()
    until = time.monotonic() + minutes * 60
    before, kill_at = memory(server.pid)["pss"], time.monotonic() + min(_KILL_EVERY, minutes * 20)
    with ThreadPoolExecutor(_AGENTS) as agents:
        working = [agents.submit(agent, server, seen, number, until) for number in range(_AGENTS)]
        while time.monotonic() < until and not seen.broken and not any(each.done() for each in working):
            time.sleep(0.5)
            with seen.floor.alone():
                killed = time.monotonic() >= kill_at
                if killed:
                    server.kill9()
                    server.restart()
                    kill_at = time.monotonic() + _KILL_EVERY
                look(server, seen, after_kill=killed)
        for each in working:
            each.result()
    seen.hold("memory grew without end", memory(server.pid)["pss"] - before < _MB_MORE + len(seen.ended) * 0.01)
    seen.hold("it does not leave", server.stop() == 0)
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=10.0, help="how long [10]")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onduty-soak-") as folder:
        seen = soak(Path(folder), asked.minutes)
    print(f"{seen.requests} requests, {len(seen.live) + len(seen.ended)} sessions")
    for broken in seen.broken:
        print(f"does not hold: {broken}", file=sys.stderr)
    return 1 if seen.broken else 0


if __name__ == "__main__":
    sys.exit(main())
