"""Real Claude Code of both MCP revisions against a real server: seen while it waits, while it works, and after."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.agents.claude import PROMPT_SHOWN, Claude, McpServer
from tests.agents.install import ensure
from tests.agents.script import Call, Json, Say, Step, Wait
from tests.agents.scripted_model import ScriptedModel
from tests.mcp.speaking import Desk, eventually, new_project, new_token
from tests.serving import Server, StartServer
from tests.wheel import onduty

# Five, and what a busy machine takes to start a client and to import the SDK; test_streams.py has the five themselves.
SEEN_WITHIN = 20.0
IDLE_FOR = 50.0
GONE_WITHIN = 45.0
TOOLS = [f"mcp__onduty__{tool}" for tool in ("whoami", "who_is_on_duty", "use_project", "set_status", "end_session")]
WHOAMI, WHO_IS_ON_DUTY, USE_PROJECT, SET_STATUS, END_SESSION = TOOLS

pytestmark = pytest.mark.agents


@dataclass(frozen=True)
class Version:
    """A pinned Claude Code; `is_modern` where it speaks 2026-07-28 and has no wire id."""

    number: str
    is_modern: bool

    def program(self) -> Path:
        paths = ensure()
        return paths.claude_2026 if self.is_modern else paths.claude_2025


MODERN, LATE = Version("2.1.330", True), Version("2.1.197", False)
BOTH = (MODERN, LATE)
EACH = pytest.mark.parametrize("version", BOTH, ids=lambda version: str(version.number))


def endpoint(desk: Desk, token: str | None = None, **headers: str) -> McpServer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return McpServer(f"{desk.server.url}/mcp", token or desk.token, headers=named)


def answers(model: ScriptedModel) -> list[Json]:
    """What the tools answered, in order, as the model was told."""
    found: dict[str, Json] = {}
    for seen in model.seen:
        for message in seen.body.get("messages", []):
            for block in message["content"] if isinstance(message["content"], list) else []:
                if block.get("type") == "tool_result" and (answer := _answer(block.get("content"))) is not None:
                    found[block["tool_use_id"]] = answer
    return list(found.values())


def _answer(content: Any) -> Json | None:
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content or [])
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def who(server: Server, *arguments: str) -> tuple[int, str]:
    """`onduty who` of the person who started the server: exit code and stdout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONDUTY_")}
    env = {**kept, "HOME": str(server.folder / "home"), "XDG_CONFIG_HOME": str(server.configuration)}
    command = onduty("who", *arguments)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout


@EACH
def test_the_printed_line_connects_it_and_it_is_seen_waiting_and_working(
    start_server: StartServer, tmp_path: Path, version: Version
) -> None:
    """As a new user: an empty home, the line that the first start printed, `claude`, and no word to it."""
    server = start_server()
    desk = Desk(server, server.project_id, server.token)
    with ScriptedModel([Call(WHOAMI), Say("finished")]) as model:
        claude = Claude(version.program(), tmp_path, model.url)
        assert server.claude_command is not None
        assert claude.shell_line(server.claude_command).code == 0
        with claude.terminal(tools=TOOLS) as terminal:
            terminal.wait_for(PROMPT_SHOWN)
            [row] = eventually(desk.rows, bool, SEEN_WITHIN)
            assert (row["state"], row["because"]["signal"], row["connected"]) == ("idle", "stream", True)
            assert (row["caller_origin"], row["client_version"]) == ("claude-code", version.number)
            assert row["machine_id"] == server.call("GET", "/api/me").json["token"]["machine_id"]
            code, table = who(server)
            assert code == 0
            assert "claude-code" in table
            assert "idle" in table
            terminal.enter("go")
            terminal.wait_for("finished")
            [row] = desk.rows(active="true")
            assert (row["state"], row["because"]["signal"], row["connected"]) == ("working", "call", True)
            assert [answer["session_id"] for answer in answers(model)] == [row["session_id"]]
            code, listed = who(server, "--json")
            assert [each["session_id"] for each in json.loads(listed)["sessions"]] == [row["session_id"]]


def test_it_is_seen_for_as_long_as_it_waits_and_no_longer_connected_once_killed(desk: Desk, tmp_path: Path) -> None:
    """Both versions at once, each on a machine of its own: nothing is asked of either, for 50 seconds."""
    with ScriptedModel() as model, ExitStack() as stack:
        terminals = []
        for version in BOTH:
            claude = Claude(version.program(), tmp_path / version.number, model.url)
            server = endpoint(desk, Onduty_Machine=version.number)
            terminals.append(stack.enter_context(claude.terminal(server)))
        for terminal in terminals:
            terminal.wait_for(PROMPT_SHOWN)
        rows = eventually(desk.rows, lambda rows: len(rows) == len(BOTH), SEEN_WITHIN)
        assert {row["machine_id"]: row["client_version"] for row in rows} == {v.number: v.number for v in BOTH}
        ids, end = {row["session_id"] for row in rows}, time.monotonic() + IDLE_FOR
        while time.monotonic() < end:
            rows = desk.rows(state="working,waiting,idle,quiet")
            assert {row["session_id"] for row in rows} == ids
            assert {(row["state"], row["connected"]) for row in rows} == {("idle", True)}
            time.sleep(2)
        for terminal in terminals:
            terminal.kill()
        rows = eventually(desk.rows, lambda rows: not any(row["connected"] for row in rows), GONE_WITHIN)
        assert {row["session_id"] for row in rows} == ids
        assert {row["state"] for row in rows} == {"idle"}, "a closed stream is no end"
        assert not any(seen.step for seen in model.seen)


def test_looking_whether_the_server_is_well_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    desk = Desk(server, server.project_id, server.token)
    for version in BOTH:
        claude = Claude(version.program(), tmp_path / version.number)
        assert server.claude_command is not None
        assert claude.shell_line(server.claude_command).code == 0
        for done in (claude.mcp_list(), claude.run("mcp", "get", "onduty")):
            assert done.code == 0
            assert "Connected" in done.out
    time.sleep(6)
    assert desk.rows() == []
    assert who(server)[0] == 1


@EACH
def test_a_killed_server_comes_back_to_the_same_session_and_the_client_goes_on(
    start_server: StartServer, tmp_path: Path, version: Version
) -> None:
    """`kill -9` between two tool calls; the client has nothing to initialize again, and does not."""
    server = start_server()
    desk = Desk(server, server.project_id, server.token)
    pause = Wait(120)
    with ScriptedModel([Call(WHOAMI), pause, Call(WHOAMI), Say("finished")]) as model:
        claude = Claude(version.program(), tmp_path, model.url)
        with claude.asking("go", endpoint(desk), TOOLS) as process:
            [before] = eventually(desk.rows, lambda rows: bool(rows) and rows[0]["because"]["signal"] == "call", 30)
            eventually(lambda: model.left, lambda left: left == 2, 30)
            time.sleep(1)
            wires = wire_ids(server)
            server.kill9()
            server.restart()
            [again] = desk.rows()
            assert (again["session_id"], again["connected_at"]) == (before["session_id"], before["connected_at"])
            eventually(desk.rows, lambda rows: bool(rows[0]["connected"]), 40)
            pause.event.set()
            assert process.wait(60) == 0
            assert process.stdout is not None
            assert "finished" in process.stdout.read()
        assert [answer["session_id"] for answer in answers(model)] == [before["session_id"]] * 2
    [after] = desk.rows()
    assert after["session_id"] == before["session_id"]
    assert after["last_activity_at"] > before["last_activity_at"]
    assert wire_ids(server) == wires
    assert len(wires) == (0 if version.is_modern else 1)


def wire_ids(server: Server) -> list[str]:
    """Every wire id that the server minted and knows."""
    [path] = server.data.glob("*.sqlite3")
    file = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return [str(row[0]) for row in file.execute("SELECT id FROM wire_ids ORDER BY id")]
    finally:
        file.close()


@EACH
def test_the_model_uses_every_tool(server: Server, tmp_path: Path, version: Version) -> None:
    name = f"app of {version.number}"
    desk = Desk(server, new_project(server, name), new_token(server, machine_id=version.number))
    said = {"caller_role": "qa", "said": "trying it out", "ticket": "T-1", "branch": "main"}
    steps: list[Step] = [
        Call(WHOAMI),
        Call(USE_PROJECT, {"project": name}),
        Call(SET_STATUS, said),
        Call(WHO_IS_ON_DUTY),
        Call(END_SESSION),
        Call(WHOAMI),
        Say("finished"),
    ]
    with ScriptedModel(steps) as model:
        done = Claude(version.program(), tmp_path, model.url).ask("go", endpoint(desk), TOOLS)
        assert (done.code, done.out.strip()) == (0, "finished"), done
        unbound, bound, status, on_duty, ended, after = answers(model)
    assert (unbound["project_id"], bound["project_id"]) == (None, desk.project_id)
    first = unbound["session_id"]
    assert [answer["session_id"] for answer in (bound, status, ended)] == [first] * 3
    [agent] = on_duty["agents"]
    assert (agent["session_id"], agent["is_you"], agent["caller_role"]) == (first, True, "qa")
    row = desk.row(first)
    assert {word: row[word] for word in said} == said
    assert (row["state"], row["end_reason"], ended["state"]) == ("ended", "end_session", "ended")
    second = desk.row(after["session_id"])
    assert second["session_id"] != first
    assert (second["state"], second["project_id"]) == ("working", desk.project_id)
    # 2026-07-28 has no wire id that would say whose child the new one is.
    assert second["parent_session_id"] == (None if version.is_modern else first)
    time.sleep(2)
    assert desk.row(first)["state"] == "ended"
    code, table = who(server, "--project", name)
    assert code == 0
    assert "claude-code" in table
