"""Real Codex, connected by `onduty connect`: one row an agent, with its states on the way."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.agents import responses
from tests.agents.codex import HOOKS, PROMPT_SHOWN, VERSION, Codex
from tests.agents.home import Home, Watch
from tests.agents.install import ensure
from tests.agents.script import Call, Say, Wait
from tests.agents.scripted_model import ScriptedModel
from tests.agents.terminal import TYPING_PAUSE_SECONDS, Terminal
from tests.mcp.speaking import eventually
from tests.serving import Server, StartServer

pytestmark = pytest.mark.agents

SLEEP = Call("exec_command", {"cmd": "sleep 1"})
WHOAMI = Call("mcp__onduty__whoami")
WITHIN = 15.0


class Connected(Home):
    """A person's machine with Codex."""

    def __init__(self, root: Path, server: Server, model: ScriptedModel | None = None) -> None:
        self.codex = Codex(ensure().codex, root, None if model is None else model.url)
        super().__init__(server, self.codex.environment, self.codex.folder)

    def connect(self, *arguments: str) -> None:
        """`onduty connect codex`, as a backend."""
        done = self.onduty("connect", "codex", "--role", "backend", *arguments)
        assert "Proven in" in done.stderr

    def files(self) -> tuple[str, str]:
        return self.codex.config.read_text(), self.codex.hooks.read_text()


def ids(model: ScriptedModel) -> list[str]:
    """The sessions that the agent's own `whoami` was answered, in order."""
    found: dict[str, str] = {}
    for seen in model.seen:
        for call_id, said in responses.outputs(seen.body).items():
            if said.startswith("{") and "session_id" in said:
                found[call_id] = json.loads(said)["session_id"]
    return list(found.values())


def test_a_run_is_one_row_with_its_states(server: Server, tmp_path: Path) -> None:
    with ScriptedModel([SLEEP, WHOAMI, SLEEP, Say("bye")]) as model:
        home = Connected(tmp_path, server, model)
        home.connect("--machine", "box")
        before = {row["session_id"] for row in home.rows()}
        with Watch(home) as watch:
            done = home.codex.ask("go")
        assert (done.code, "bye" in done.out) == (0, True), done.err
        [row] = [row for row in home.rows() if row["session_id"] not in before]
        words = ("codex", "backend", "box", "project", "ended", "other", VERSION)
        names = ("caller_origin", "caller_role", "machine_id", "folder", "state", "end_reason", "client_version")
        assert tuple(row[name] for name in names) == words
        assert ids(model) == [row["session_id"]]
        states = watch.seen[row["session_id"]]
        assert "working Bash" in states
        assert f"Onduty: your session is {row['session_id']}" in str(model.seen[-1].body)
        listed = home.codex.run("mcp", "list")
        assert (listed.code, "onduty" in listed.out) == (0, True)
        assert len([row for row in home.rows() if row["session_id"] not in before]) == 1


def test_what_a_sub_agent_calls_is_its_agents(start_server: StartServer, tmp_path: Path) -> None:
    """A sub-agent of Codex has a thread of its own, which is no session."""
    spawn = Call("multi_agent_v1__spawn_agent", {"message": "go"})
    with ScriptedModel([spawn, WHOAMI, WHOAMI, SLEEP, SLEEP]) as model:
        home = Connected(tmp_path, start_server(), model)
        home.connect()
        with Watch(home) as watch:
            assert home.codex.ask("go").code == 0
        [row] = home.rows()
        assert ids(model) == [row["session_id"]] * 2
        assert list(watch.seen) == [row["session_id"]]


def test_a_question_waits_and_clear_keeps_the_row(start_server: StartServer, tmp_path: Path) -> None:
    may_i = {"cmd": "touch made.txt", "sandbox_permissions": "require_escalated", "justification": "May I?"}
    ask = Call("exec_command", may_i)
    with ScriptedModel([ask, Say("made it"), ask]) as model:
        home = Connected(tmp_path, start_server(), model)
        home.connect()
        with home.codex.terminal() as terminal, Watch(home) as watch:
            terminal.wait_for("hooks are new or changed")
            # Those of others in this home; ours are trusted.
            terminal.enter("3")
            terminal.wait_for(PROMPT_SHOWN)
            # No hook of its tells that it is there before the first prompt, but its connection does.
            [row] = eventually(home.rows, bool, WITHIN)
            assert (row["state"], row["connected"]) == ("idle", True)
            row = _say(home, terminal, "go", "waiting")
            assert row["because"]["waits_for"] == "Bash"
            terminal.wait_for("Yes, proceed")
            terminal.type("y")
            terminal.wait_for("made it")
            eventually(home.rows, lambda rows: rows[0]["state"] == "idle", WITHIN)
            _say(home, terminal, "again", "waiting")
            time.sleep(1)
            terminal.type("\x1b")
            # Here it is told that the answer was no.
            eventually(home.rows, lambda rows: rows[0]["state"] == "idle", WITHIN)
            terminal.enter("/clear")
            time.sleep(1)
            model.add(Wait(4), Say("still here"))
            _say(home, terminal, "more", "working")
            terminal.wait_for("still here")
            row = _say(home, terminal, "/exit", "ended")
            assert row["end_reason"] == "other"
        assert list(watch.seen) == [row["session_id"]]


def _say(home: Connected, terminal: Terminal, line: str, state: str) -> dict[str, Any]:
    """Type a line, with the return key until it counts: what comes too soon after it is part of a paste."""
    terminal.type(line)
    until = time.monotonic() + WITHIN
    while True:
        time.sleep(TYPING_PAUSE_SECONDS)
        terminal.type("\r")
        try:
            return eventually(home.rows, lambda rows: rows[0]["state"] == state, WITHIN / 3)[0]
        except AssertionError:
            if time.monotonic() > until:
                raise


def test_the_server_killed_between_two_calls(start_server: StartServer, tmp_path: Path) -> None:
    pause = Wait(60)
    with ScriptedModel([SLEEP, WHOAMI, pause, SLEEP, WHOAMI, Say("bye")]) as model:
        server = start_server()
        home = Connected(tmp_path, server, model)
        home.connect()
        with home.codex.asking("go") as running:
            eventually(lambda: ids(model), lambda found: len(found) == 1 and model.left == 3, WITHIN)
            server.kill9()
            server.restart()
            pause.event.set()
            assert running.wait(60) == 0
        [row] = home.rows()
        assert row["state"] == "ended"
        assert ids(model) == [row["session_id"]] * 2


def test_two_at_once_in_one_folder_are_two_rows(start_server: StartServer, tmp_path: Path) -> None:
    with ScriptedModel([WHOAMI] * 4) as model:
        home = Connected(tmp_path, start_server(), model)
        home.connect()
        with ExitStack() as stack:
            running = [stack.enter_context(home.codex.asking(name)) for name in ("one", "two")]
            assert [each.wait(60) for each in running] == [0, 0]
        rows = home.rows()
        assert len(rows) == 2
        assert {row["state"] for row in rows} == {"ended"}
        assert set(ids(model)) == {row["session_id"] for row in rows}


def test_two_in_one_process_are_two_rows(start_server: StartServer, tmp_path: Path) -> None:
    """Its editors and, by default, its terminals share one server: its process tells none from another."""
    with ScriptedModel([WHOAMI, Say("one"), WHOAMI, Say("two"), WHOAMI, Say("one again")]) as model:
        home = Connected(tmp_path, start_server(), model)
        home.connect()
        with home.codex.serving() as server:
            words = {"cwd": str(home.codex.folder), "approvalPolicy": "never"}
            one, two = (server.call("thread/start", **words)["thread"]["id"] for _ in range(2))
            for thread in (one, two, one):
                server.work("go", thread)
            assert len(home.rows()) == 2
            first, second, third = ids(model)
            assert first == third
            assert {first, second} == {row["session_id"] for row in home.rows()}
            assert {row["state"] for row in home.rows()} <= {"idle", "working"}


def test_an_agent_without_its_server_is_not_slowed(start_server: StartServer, tmp_path: Path) -> None:
    """What the hooks wait for a server that takes connections and never answers: the worst that there is."""
    steps: list[Any] = [SLEEP, SLEEP, Say("bye")]
    server = start_server()
    with ScriptedModel(steps * 3) as model:
        home = Connected(tmp_path, server, model)
        home.connect()
        # Other work on the same machine slows them, too.
        plain = max(_seconds(home) for _ in range(2))
        os.kill(server.pid, signal.SIGSTOP)
        try:
            slowed = _seconds(home)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert slowed - plain < 2
        assert "events that waited went to" in home.onduty("doctor").stdout
        rows = home.rows()
        assert [row["state"] for row in rows] == ["ended"] * 3


def _seconds(home: Connected) -> float:
    began = time.monotonic()
    assert home.codex.ask("go").code == 0
    return time.monotonic() - began


def test_disconnect_restores(server: Server, tmp_path: Path) -> None:
    home = Connected(tmp_path, server)
    first = home.codex.written, HOOKS
    shown = home.onduty("connect", "codex", "--dry-run").stdout
    assert home.files() == first
    assert "+[mcp_servers.onduty]" in shown
    assert "ody_new" in shown
    home.connect()
    written = home.files()
    assert written[0].startswith(first[0])
    assert home.codex.config.stat().st_mode & 0o777 == 0o600
    home.connect()
    assert home.files() == written
    home.onduty("disconnect")
    assert home.files() == first
    home.connect()
    home.codex.config.write_text(home.codex.config.read_text().replace("# mine", "# all mine") + "\n[tui]\n")
    home.onduty("disconnect")
    assert home.files() == (first[0].replace("# mine", "# all mine") + "\n\n[tui]\n", HOOKS)
    home.connect()
    home.codex.run("mcp", "add", "third", "--url", "http://127.0.0.1:9/mcp")
    home.onduty("disconnect")
    config, _ = home.files()
    assert "third" in config
    assert "onduty" not in config
    assert "ody_" not in config


def test_no_hook_runs_and_no_proof_passes_before_it_is_trusted(start_server: StartServer, tmp_path: Path) -> None:
    with ScriptedModel() as model:
        home = Connected(tmp_path, start_server(), model)
        home.connect()
        trusted = home.codex.config.read_text()
        home.codex.config.write_text(trusted.replace("sha256:", "sha256:0"))
        assert "codex does not trust the hooks of" in home.onduty("doctor", code=1).stdout
        home.codex.run("mcp", "remove", "onduty")
        assert home.codex.ask("go").code == 0
        assert home.rows() == []
        home.codex.config.write_text(f"{trusted}\n[features]\nhooks = false\n")
        assert "codex does not run hooks" in home.onduty("doctor", code=1).stdout
        home.codex.config.write_text(trusted.replace("sha256:", "sha256:0"))
        home.connect()
        assert home.codex.ask("go").code == 0
        assert len(home.rows()) == 1
        home.onduty("doctor")


def test_what_it_tells_in_confidence_stays_on_its_machine(start_server: StartServer, tmp_path: Path) -> None:
    secret = "s3cret-" + "payload"
    run = Call("exec_command", {"cmd": f"echo {secret}-$((1+1))"})
    with ScriptedModel([run, WHOAMI, Say(f"said {secret}")]) as model:
        server = start_server()
        home = Connected(tmp_path, server, model)
        home.connect()
        done = home.codex.ask(f"prompt {secret}")
        assert f"said {secret}" in done.out
        assert f"{secret}-2" in str(model.seen[-1].body)
        assert home.rows()[0]["state"] == "ended"
        server.stop()
        kept = home.codex.home / ".local" / "share" / "onduty-client"
        for file in [*server.data.rglob("*"), server.log, *kept.glob("*.json"), *kept.glob("spool/*")]:
            if file.is_file():
                content = file.read_bytes()
                assert secret.encode() not in content, file
                assert str(home.codex.folder).encode() not in content, file
