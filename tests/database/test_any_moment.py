"""A power cut at any moment: file and log as they are just then hold each answered start, bind, end and event."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.serving import Server, StartServer
from tests.test_kill9 import _mcp, _result

MOMENTS = 300
FILE = "onduty.sqlite3"
AT = "2026-01-01T12:00:00Z"


@dataclass
class Answered:
    """What agents were answered so far; each list only grows."""

    started: list[str] = field(default_factory=list)
    bound: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def so_far(self) -> tuple[int, int, int, int]:
        return len(self.started), len(self.bound), len(self.ended), len(self.events)


def work(server: Server, number: int, answered: Answered, over: threading.Event) -> None:
    """An agent after the other: it registers or comes unbound over MCP, acts, reports, and ends or does not."""
    try:
        count = 0
        while not over.is_set():
            count += 1
            if number == 0 and count % 4 == 0:
                bind(server, answered)
            else:
                live(server, f"{number}-{count}", answered)
            time.sleep(0.01)
    except BaseException as error:
        answered.failures.append(error)


def live(server: Server, name: str, answered: Answered) -> None:
    body = {"machine_id": "laptop", "client_ref": name}
    made = server.call("POST", f"/api/projects/{server.project_id}/agent-sessions", json=body)
    session = made.json["session_id"]
    answered.started.append(session)
    server.call("POST", f"/api/agent-sessions/{session}/activity")
    events = [{"id": f"e{n}", "kind": "prompt", "at": AT, "session": name} for n in range(3)]
    batch = {"sent_at": AT, "project_id": server.project_id, "machine_id": "laptop", "events": events}
    told = server.call("POST", "/api/agent-events", json=batch).json["results"]
    assert {result["status"] for result in told} == {"accepted"}
    answered.events += [(result["session_id"], result["id"]) for result in told]
    if not name.endswith("3"):
        assert server.call("DELETE", f"/api/agent-sessions/{session}").status == 204
        answered.ended.append(session)


def bind(server: Server, answered: Answered) -> None:
    """A wire id's first tool call binds it to a session."""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "probe", "version": "1"}}
    wire = _mcp(server, "initialize", hello).headers["mcp-session-id"]
    done = _result(_mcp(server, "tools/call", {"name": "whoami", "arguments": {}}, wire))
    assert done["structuredContent"]["session_id"]
    answered.bound.append(wire)


@contextmanager
def standing_still(server: Server) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        while Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def check(copy: Path, answered: Answered, until: tuple[int, int, int, int]) -> None:
    starts, binds, ends, events = until
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        sessions = dict(connection.execute("SELECT id, end_s_at FROM agent_sessions"))
        bound = {wire for (wire,) in connection.execute("SELECT id FROM wire_ids WHERE session_id IS NOT NULL")}
        stored = set(connection.execute("SELECT session_id, event_id FROM agent_events"))
    assert set(answered.started[:starts]) <= sessions.keys()
    assert set(answered.bound[:binds]) <= bound
    assert all(sessions[session] for session in answered.ended[:ends])
    assert set(answered.events[:events]) <= stored


def test_each_of_300_moments_holds_what_was_answered_before_it(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(environment={"ONDUTY_RATE_LIMIT": "0", "ONDUTY_BACKUPS": "0"})
    assert server.project_id
    answered, over, chance = Answered(), threading.Event(), random.Random(4646)
    agents = [threading.Thread(target=work, args=(server, number, answered, over)) for number in range(3)]
    for agent in agents:
        agent.start()
    sizes = set()
    try:
        for _ in range(MOMENTS):
            time.sleep(chance.uniform(0, 0.05))
            until = answered.so_far()
            with standing_still(server):
                for suffix in ("", "-wal"):
                    shutil.copyfile(server.data / f"{FILE}{suffix}", tmp_path / f"{FILE}{suffix}")
            sizes.add((tmp_path / f"{FILE}-wal").stat().st_size)
            check(tmp_path / FILE, answered, until)
            (tmp_path / f"{FILE}-wal").unlink(missing_ok=True)
            (tmp_path / f"{FILE}-shm").unlink(missing_ok=True)
    finally:
        over.set()
        for agent in agents:
            agent.join()
    assert not answered.failures, answered.failures
    assert min(answered.so_far()) > 20, answered.so_far()
    assert len(sizes) > 2
