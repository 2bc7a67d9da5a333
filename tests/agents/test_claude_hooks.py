"""Real Claude Code at two versions, connected by `onduty connect`: one row an agent, with its states on the way."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.agents.claude import PROMPT_SHOWN
from tests.agents.connected import SERVERS, SETTINGS, Connected
from tests.agents.home import Watch
from tests.agents.script import Call, Say, Wait
from tests.agents.scripted_model import ScriptedModel
from tests.agents.terminal import Terminal
from tests.agents.test_claude import EACH, SET_STATUS, WHOAMI, Version, answers
from tests.mcp.speaking import eventually
from tests.serving import Server, StartServer

pytestmark = pytest.mark.agents

SLEEP = Call("Bash", {"command": "sleep 1", "description": "sleeps"})
TOOLS = [WHOAMI, SET_STATUS, "Bash(sleep:*)"]
WITHIN = 15.0


def ids(model: ScriptedModel) -> list[str]:
    return [answer["session_id"] for answer in answers(model)]


@EACH
def test_a_run_is_one_row_with_its_states(server: Server, tmp_path: Path, version: Version) -> None:
    with ScriptedModel([SLEEP, Call(WHOAMI), SLEEP, Say("bye")]) as model:
        home = Connected(version.program(), tmp_path, server, model)
        home.connect("--machine", f"box-{version.number}")
        before = {row["session_id"] for row in home.rows()}
        with Watch(home) as watch:
            done = home.claude.ask("go", tools=TOOLS)
        assert (done.code, "bye" in done.out) == (0, True)
        [row] = [row for row in home.rows() if row["session_id"] not in before]
        assert (row["caller_origin"], row["caller_role"], row["machine_id"], row["folder"]) == (
            "claude-code",
            "backend",
            f"box-{version.number}",
            "project",
        )
        assert (row["state"], row["end_reason"], row["client_version"]) == ("ended", "other", version.number)
        assert ids(model) == [row["session_id"]]
        states = watch.seen[row["session_id"]]
        assert "working Bash" in states
        assert "working" in states
        assert f"Onduty: your session is {row['session_id']}" in str(model.seen[-1].body)
        assert home.claude.mcp_list().code == 0
        assert len([row for row in home.rows() if row["session_id"] not in before]) == 1


@EACH
def test_a_question_waits_and_clear_and_compact_keep_the_row(
    start_server: StartServer, tmp_path: Path, version: Version
) -> None:
    touch = Call("Bash", {"command": "touch made.txt", "description": "makes a file"})
    with ScriptedModel([touch, Say("made it")]) as model:
        home = Connected(version.program(), tmp_path, start_server(), model)
        home.connect()
        with home.claude.terminal(tools=TOOLS) as terminal, Watch(home) as watch:
            terminal.wait_for(PROMPT_SHOWN)
            [row] = eventually(home.rows, bool, WITHIN)
            assert row["state"] == "idle"
            terminal.enter("go")
            [row] = eventually(home.rows, lambda rows: rows[0]["state"] == "waiting", WITHIN)
            assert row["because"]["waits_for"] == "Bash"
            terminal.wait_for("proceed?")
            _say_yes(home, terminal)
            terminal.wait_for("made it")
            eventually(home.rows, lambda rows: rows[0]["state"] == "idle", WITHIN)
            model.add(Say("a summary"))
            terminal.enter("/compact")
            time.sleep(3)
            terminal.enter("/clear")
            time.sleep(3)
            model.add(Wait(2), Say("still here"))
            terminal.enter("more")
            eventually(home.rows, lambda rows: rows[0]["state"] == "working", WITHIN)
            terminal.wait_for("still here")
            terminal.enter("/exit")
            [row] = eventually(home.rows, lambda rows: rows[0]["state"] == "ended", WITHIN)
            assert row["end_reason"] == "exit"
        # The last answer may still be read as work while its hooks run.
        states = [state for state in watch.seen[row["session_id"]] if state != "working Bash"]
        assert states[:4] == ["idle", "working", "waiting Bash", "working"] or "waiting Bash" in states
        assert list(watch.seen) == [row["session_id"]]


def _say_yes(home: Connected, terminal: Terminal) -> None:
    """What is typed in the first moment after it is asked does not count: it could be the end of something else."""
    until = time.monotonic() + WITHIN
    while home.rows()[0]["state"] == "waiting" and time.monotonic() < until:
        terminal.type("1")
        time.sleep(2)


@EACH
def test_the_server_killed_between_two_calls(start_server: StartServer, tmp_path: Path, version: Version) -> None:
    pause = Wait(60)
    with ScriptedModel([SLEEP, Call(WHOAMI), pause, SLEEP, Call(WHOAMI), Say("bye")]) as model:
        server = start_server()
        home = Connected(version.program(), tmp_path, server, model)
        home.connect()
        with home.claude.asking("go", tools=TOOLS) as running:
            eventually(lambda: ids(model), lambda found: len(found) == 1 and model.left == 3, WITHIN)
            server.kill9()
            server.kill9()
            server.restart()
            pause.event.set()
            assert running.wait(60) == 0
        [row] = home.rows()
        assert row["state"] == "ended"
        assert set(ids(model)) == {row["session_id"]}


@EACH
def test_two_at_once_in_one_folder_are_two_rows(start_server: StartServer, tmp_path: Path, version: Version) -> None:
    with ScriptedModel() as model:
        home = Connected(version.program(), tmp_path, start_server(), model)
        home.connect()
        with ExitStack() as stack:
            running = []
            for name in ("one", "two"):
                model.add(Call(WHOAMI), Call(WHOAMI))
                running.append(stack.enter_context(home.claude.asking(name, tools=TOOLS)))
            assert [each.wait(60) for each in running] == [0, 0]
        rows = home.rows()
        assert len(rows) == 2
        assert {row["state"] for row in rows} == {"ended"}
        assert set(ids(model)) == {row["session_id"] for row in rows}


@EACH
def test_an_agent_without_its_server_is_not_slowed(start_server: StartServer, tmp_path: Path, version: Version) -> None:
    """What the hooks cost an agent whose server takes connections and never answers: the worst that there is."""
    steps: list[Any] = [SLEEP, SLEEP, SLEEP, Say("bye")]
    server = start_server()
    with ScriptedModel(steps) as model:
        home = Connected(version.program(), tmp_path, server, model)
        plain = _seconds(home)
        model.add(*steps)
        # Other work on the same machine slows them, too.
        plain = max(plain, _seconds(home))
        home.connect()
        # The client's own attempts at its MCP server are none of the hooks'.
        home.claude.run("mcp", "remove", "--scope", "user", "onduty")
        model.add(*steps)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            slowed = _seconds(home)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert slowed - plain < 2
        assert "events that waited went to" in home.onduty("doctor").stdout
        [row] = home.rows()
        assert row["state"] == "ended"


def _seconds(home: Connected) -> float:
    began = time.monotonic()
    assert home.claude.ask("go", tools=TOOLS).code == 0
    return time.monotonic() - began


@EACH
def test_disconnect_restores(server: Server, tmp_path: Path, version: Version) -> None:
    home = Connected(version.program(), tmp_path, server)
    home.onduty("connect", "claude", "--dry-run")
    assert (home.settings.read_text(), home.servers.read_text()) == (SETTINGS, SERVERS)
    home.connect()
    written = home.settings.read_bytes(), home.servers.read_bytes()
    home.connect()
    assert (home.settings.read_bytes(), home.servers.read_bytes()) == written
    home.onduty("disconnect")
    assert (home.settings.read_text(), home.servers.read_text()) == (SETTINGS, SERVERS)
    home.connect()
    assert "onduty" in home.claude.mcp_list().out
    home.onduty("disconnect")
    assert home.settings.read_text() == SETTINGS
    assert list(home.keys()["mcpServers"]) == ["other"]
    assert "ody_" not in home.servers.read_text()


@EACH
def test_what_it_tells_in_confidence_stays_on_its_machine(
    start_server: StartServer, tmp_path: Path, version: Version
) -> None:
    secret = "s3cret-" + "payload"
    run = Call("Bash", {"command": f"sleep 0; echo {secret}-$((1+1))", "description": f"says {secret}"})
    with ScriptedModel([run, Say(f"said {secret}")]) as model:
        server = start_server()
        home = Connected(version.program(), tmp_path, server, model)
        home.connect()
        done = home.claude.ask(f"prompt {secret}", tools=["Bash"])
        assert f"said {secret}" in done.out
        assert home.rows()[0]["state"] == "ended"
        assert f"{secret}-2" in str(model.seen[-1].body)
        server.stop()
        for file in [*server.data.rglob("*"), server.log]:
            if file.is_file():
                content = file.read_bytes()
                assert secret.encode() not in content, file
                assert str(home.claude.folder).encode() not in content, file
