"""SQLite: of all connections that a whole server opens, one writes and checkpoints; the process itself is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import Server, StartServer

# Python tells an audit hook of each connection that it opens. What the server prints goes on as it was.
SERVE = """
import json, os, sqlite3, sys, threading
opened = []
def hook(event, arguments):
    if event == "sqlite3.connect/handle":
        opened.append(arguments[0])
sys.addaudithook(hook)

def tell():
    asked = []
    for each in list(opened):
        try:
            path = each.execute("PRAGMA database_list").fetchone()[2]
            asked.append([path, each.execute("PRAGMA query_only").fetchone()[0], each.total_changes])
        except sqlite3.ProgrammingError:
            pass  # closed
    with open(os.environ["TELL"], "w") as file:
        json.dump(asked, file)

sys.argv = ["onduty", "serve"]
import onduty.server
stop = onduty.server.Rooms.close
async def close(self):
    tell()
    await stop(self)
onduty.server.Rooms.close = close
from onduty.cli.main import main
main()
"""


def register(server: Server, name: str) -> None:
    path = f"/api/projects/{server.project_id}/agent-sessions"
    made = server.call("POST", path, json={"machine_id": "laptop", "client_ref": name, "caller_role": "x" * 100})
    assert made.status == 201
    assert server.call("GET", f"/api/agent-sessions/{made.json['session_id']}").status == 200
    assert server.call("GET", f"{path}?active=false&limit=5").status == 200


def test_one_of_all_its_connections_may_write_and_did(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, real = tmp_path / "told", subprocess.Popen

    def popen(command: list[str], **rest: object) -> subprocess.Popen[str]:
        if command[-1] == "serve":
            command = [sys.executable, "-c", SERVE]
        return real(command, **rest)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(subprocess, "Popen", popen)
    server = start_server(environment={"TELL": str(told), "ONDUTY_RATE_LIMIT": "0"})
    for number in range(100):
        register(server, str(number))
    assert server.stop() == 0
    asked = json.loads(told.read_text())
    assert {path for path, _, _ in asked} == {str(server.data / "onduty.sqlite3")}
    may_write = [changes for _, query_only, changes in asked if not query_only]
    assert len(may_write) == 1
    assert may_write[0] > 200
    assert len(asked) == 4
    assert all(changes == 0 for _, query_only, changes in asked if query_only)


def test_the_log_is_folded_in_while_it_serves_and_when_it_leaves(start_server: StartServer) -> None:
    server = start_server(environment={"ONDUTY_RATE_LIMIT": "0"})
    log, file = server.data / "onduty.sqlite3-wal", server.data / "onduty.sqlite3"
    before, largest = file.stat().st_size, 0
    for number in range(300):
        register(server, str(number))
        largest = max(largest, log.stat().st_size)
    # SQLite folds in 1 000 pages; a log that nobody folds in grows with every commit.
    assert largest < 6_000_000
    assert file.stat().st_size > before
    names = [os.readlink(each) for each in Path(f"/proc/{server.pid}/fd").iterdir() if each.is_symlink()]
    assert names.count(str(file)) == 4, names
    assert server.stop() == 0
    assert not log.exists()
