"""Real Claude Code that is killed, hung up, stopped, resumed, forked, started inside an agent: which rows there are."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.claude import PROMPT_SHOWN, kill
from tests.agents.connected import Connected
from tests.agents.script import Call, Say, Wait
from tests.agents.scripted_model import ScriptedModel
from tests.agents.test_claude import EACH, MODERN, WHOAMI, Version, answers
from tests.mcp.speaking import eventually
from tests.serving import StartServer

pytestmark = pytest.mark.agents

WITHIN = 20.0
OWN = "11111111-1111-4111-8111-111111111111"
TOOLS = [WHOAMI, "Bash"]


class Life:
    """A connected Claude Code with a model, and the rows that it makes."""

    def __init__(self, home: Connected, model: ScriptedModel) -> None:
        self.home = home
        self.claude = home.claude
        self.model = model

    def ask(self, *arguments: str) -> None:
        """`claude -p` to its end."""
        done = self.claude.run("-p", "go", "--allowedTools", ",".join(TOOLS), *arguments)
        assert done.code == 0, done

    def rows(self) -> list[dict[str, Any]]:
        """Oldest first."""
        return sorted(self.home.rows(), key=lambda row: str(row["session_id"]))

    def row(self) -> dict[str, Any]:
        [row] = self.rows()
        return row


@pytest.fixture
def life(start_server: StartServer, tmp_path: Path, version: Version) -> Iterator[Life]:
    with ScriptedModel() as model:
        home = Connected(version.program(), tmp_path, start_server(), model)
        home.connect()
        yield Life(home, model)


@EACH
def test_killed_in_a_tool_it_is_shown_in_it_and_resumed_it_is_the_same_row(life: Life) -> None:
    """No end was reported: what silence makes of that, and when, is told in tests/client/test_truth.py."""
    life.model.add(Call("Bash", {"command": "timeout 20 tail -f /dev/null", "description": "stays"}))
    with life.claude.asking("go", tools=TOOLS) as running:
        [row] = eventually(life.rows, lambda rows: bool(rows) and rows[0]["because"].get("tool") == "Bash", WITHIN)
        kill(running)
        running.wait()
    [row] = eventually(life.rows, lambda rows: not rows[0]["connected"], WITHIN)
    assert (row["state"], row["because"]["signal"], row["ended_at"]) == ("working", "tool", None)
    life.model.add(Call(WHOAMI), Say("back"))
    life.ask("--continue")
    assert [answer["session_id"] for answer in answers(life.model)] == [row["session_id"]]
    assert (life.row()["session_id"], life.row()["state"]) == (row["session_id"], "ended")


@EACH
def test_a_terminal_that_is_closed_ends_it(life: Life) -> None:
    """Its last hook is given 1.5 s: where a busy machine cut that off, it is at least not connected any more."""
    with life.claude.terminal() as terminal:
        terminal.wait_for(PROMPT_SHOWN)
        eventually(life.rows, bool, WITHIN)
        os.killpg(terminal.pid, signal.SIGHUP)
        eventually(lambda: terminal.running, lambda running: not running, WITHIN)
        [row] = eventually(life.rows, lambda rows: not rows[0]["connected"], WITHIN)
        assert (row["state"], row["end_reason"]) in (("ended", "other"), ("idle", None))


@EACH
def test_stopped_for_a_while_it_is_the_same_row(life: Life) -> None:
    """As by a laptop that sleeps: nothing comes, and then it goes on."""
    pause = Wait(60)
    life.model.add(pause, Call(WHOAMI), Say("bye"))
    with life.claude.asking("go", tools=TOOLS) as running:
        [before] = eventually(life.rows, lambda rows: bool(rows) and rows[0]["state"] == "working", WITHIN)
        os.killpg(running.pid, signal.SIGSTOP)
        pause.event.set()
        time.sleep(2)
        assert life.row()["last_activity_at"] == before["last_activity_at"]
        os.killpg(running.pid, signal.SIGCONT)
        assert running.wait(60) == 0
    assert life.row()["session_id"] == before["session_id"]


@EACH
def test_resumed_by_another_process_it_is_the_same_row_and_a_fork_is_a_child(life: Life, version: Version) -> None:
    life.model.add(Call(WHOAMI), Say("one"), Call(WHOAMI), Say("two"), Call(WHOAMI), Say("three"))
    life.ask("--session-id", OWN)
    first = life.row()
    life.ask("--resume", OWN)
    again = life.row()
    assert (again["session_id"], again["connected_at"]) == (first["session_id"], first["connected_at"])
    life.ask("--resume", OWN, "--fork-session")
    rows = life.rows()
    assert [(row["state"], row["parent_session_id"]) for row in rows] == [
        ("ended", None),
        ("ended", first["session_id"]),
    ]
    assert rows[0] == again
    assert [answer["session_id"] for answer in answers(life.model)][-1] == rows[1]["session_id"]


@EACH
def test_one_inside_another_is_its_child(life: Life) -> None:
    inner = f"{life.claude.program} -p inner --allowedTools {WHOAMI}"
    life.model.add(Call("Bash", {"command": inner, "description": "asks"}), Call(WHOAMI), Say("inner"), Say("bye"))
    life.ask()
    outer, child = life.rows()
    assert (outer["parent_session_id"], child["parent_session_id"]) == (None, outer["session_id"])
    assert (outer["state"], child["state"]) == ("ended", "ended")
    assert [answer["session_id"] for answer in answers(life.model)] == [child["session_id"]]


@EACH
def test_run_by_another_command_it_is_the_child_of_that(life: Life) -> None:
    life.model.add(Call(WHOAMI), Say("bye"))
    claude = [str(life.claude.program), "-p", "go", "--allowedTools", WHOAMI]
    life.home.onduty("run", "--", sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])", *claude)
    outer, child = life.rows()
    assert (outer["parent_session_id"], child["parent_session_id"]) == (None, outer["session_id"])
    assert (outer["state"], child["state"], child["caller_origin"]) == ("ended", "ended", "claude-code")
    assert [answer["session_id"] for answer in answers(life.model)] == [child["session_id"]]


@pytest.mark.parametrize("version", [MODERN], ids=lambda version: str(version.number))
def test_a_branch_of_its_conversation_is_a_child_and_what_it_left_has_ended(life: Life) -> None:
    """The process goes on with the branch; nobody works on what was left. 2.1.197 tells of a `/resume` instead."""
    life.model.add(Say("one"), Call(WHOAMI), Say("two"))
    with life.claude.terminal(tools=TOOLS) as terminal:
        terminal.wait_for(PROMPT_SHOWN)
        terminal.enter("go")
        eventually(lambda: life.model.left, lambda left: left == 2, WITHIN)
        terminal.wait_for("one")
        terminal.enter("/branch")
        eventually(life.rows, lambda rows: len(rows) == 2, WITHIN)
        terminal.enter("on")
        eventually(lambda: answers(life.model), bool, WITHIN)
        left, branch = life.rows()
    assert (left["state"], left["end_reason"]) == ("ended", "moved")
    assert branch["parent_session_id"] == left["session_id"]
    assert [answer["session_id"] for answer in answers(life.model)] == [branch["session_id"]]
