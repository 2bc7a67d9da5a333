"""Payloads full of secrets, through the real hook program: none leaves the machine or is kept anywhere on it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.client.machine import Machine
from tests.client.test_replay import CLAUDE, HERE
from tests.mcp.speaking import Desk, new_token
from tests.serving import Server

MARK = "s3cret-mark"
# The version that is told once more while the server is away.
AWAY = CLAUDE[-1]
# What the manual says is kept: ids, names of tools and kinds of sub-agents, words of a closed vocabulary.
KEPT = (
    *("session_id", "tool_use_id", "agent_id", "prompt_id", "hook_event_name"),
    *("tool_name", "agent_type", "notification_type", "source", "reason"),
)
MORE = {
    "prompt": MARK,
    "message": MARK,
    "error": MARK,
    "tool_input": {"command": MARK, "file_path": MARK, "content": [MARK, {"deep": MARK}], MARK: MARK},
    "tool_response": {"stdout": MARK, "stderr": MARK, "file": {"content": MARK}},
    "last_assistant_message": MARK,
    "custom_instructions": MARK,
    "something_new": MARK,
}


def marked(value: Any) -> Any:
    """The same with a secret in the place of every text."""
    if isinstance(value, dict):
        return {name: marked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [marked(each) for each in value]
    return f"/{MARK}/{value[:8]}" if isinstance(value, str) else value


def recorded_of(version: str) -> list[Path]:
    return sorted((HERE / "claude" / version).iterdir())


@dataclass
class Told:
    """A machine whose every hook was told secrets, with a server that was there and with none."""

    server: Server
    desk: Desk
    machine: Machine
    count: int = 0
    said: list[str] = field(default_factory=list)

    def tell(self, event: str, payload: dict[str, Any]) -> None:
        environment = {**self.machine.environment, "CLAUDE_PROJECT_DIR": f"/home/{MARK}/shop"}
        environment |= {"AWS_SECRET_ACCESS_KEY": MARK, "ANTHROPIC_API_KEY": MARK, "PATH": f"/usr/bin:/bin:/{MARK}"}
        stdin = json.dumps(payload).encode()
        done = subprocess.run(
            self.machine.command(event), input=stdin, env=environment, capture_output=True, timeout=10
        )
        assert (done.returncode, done.stderr) == (0, b"")
        self.said.append(done.stdout.decode())
        self.count += 1


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    root = tmp_path_factory.mktemp("confidence")
    server = Server.start(root / "server", environment={"ONDUTY_LOG_LEVEL": "debug"})
    desk = Desk(server, server.project_id, new_token(server, project_ids=[server.project_id]))
    did = Told(server, desk, Machine(root / "home", server.url, token=desk.token, project=desk.project_id))
    for version in (*CLAUDE, AWAY):
        if did.count == sum(len(recorded_of(version)) for version in CLAUDE):
            # On a busy machine some may have come too late.
            did.machine.deliver()
            server.stop()
        for file in recorded_of(version):
            recorded = json.loads(file.read_text())
            kept = {name: recorded[name] for name in KEPT if name in recorded}
            did.tell(file.stem.partition("-")[0], {**marked(recorded), **MORE, **kept})
    yield did
    server.kill9()


def test_everything_was_told(told: Told) -> None:
    """So that looking for it says something: events came in, and others wait here."""
    assert told.count == sum(len(recorded_of(version)) for version in (*CLAUDE, AWAY))
    assert len(told.machine.waiting()) == len(recorded_of(AWAY))
    assert any("Onduty: your session" in said for said in told.said)


def test_no_file_of_the_machine_holds_a_secret(told: Told) -> None:
    """Spool, state and connections, while no server is there."""
    files = [file for file in Path(told.machine.root).rglob("*") if file.is_file()]
    assert any(file.suffix == ".jsonl" for file in files)
    for file in files:
        assert MARK.encode() not in file.read_bytes(), file


def test_the_agent_is_told_none(told: Told) -> None:
    """But for its own tool's arguments, which go back to it as they were."""
    assert not [said for said in told.said if MARK in said]


def test_no_answer_file_or_log_of_the_server_holds_one(told: Told) -> None:
    """The write-ahead log of a running server, too, and what was delivered from the spool."""
    told.server.restart()
    told.tell("SessionStart", {"session_id": "last", "source": "startup", **MORE})
    told.machine.deliver()
    assert told.machine.waiting() == []
    assert len(told.desk.rows()) > 1
    link = told.server.call("POST", "/api/sign-in-links", token=told.server.owner_token).json["url"]
    form = f"secret={link.partition('#')[2]}".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    cookie = told.server.call("POST", "/sign-in", token=None, body=form, headers=kind).headers["set-cookie"]
    page = told.server.call(
        "GET", f"/projects/{told.desk.project_id}", token=None, headers={"Cookie": cookie.partition(";")[0]}
    )
    assert b"on duty" in page.body
    rows = told.server.call("GET", f"/api/projects/{told.desk.project_id}/agent-sessions?active=false")
    seen = told.desk.client().call("who_is_on_duty")
    for body in (page.body, rows.body, json.dumps(seen).encode(), told.server.call("GET", "/metrics").body):
        assert MARK.encode() not in body
    files = [file for file in told.server.folder.rglob("*") if file.is_file()]
    assert {"onduty.sqlite3", "onduty.sqlite3-wal", "stderr.txt"} <= {file.name for file in files}
    for file in files:
        assert MARK.encode() not in file.read_bytes(), file
