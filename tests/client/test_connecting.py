"""A second machine: the program from the server, a pairing code, `connect`, `doctor`, `run`, `logout`."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import onduty
from onduty.client import credentials, installing
from onduty.client.api import Answer
from onduty.client.checks import clock
from onduty.client.credentials import Credential
from onduty.client.run import passing_signals
from onduty.client.state import now_ms
from tests.agents.terminal import Terminal
from tests.mcp.speaking import new_project, new_token
from tests.serving import Server, StartServer


class Second:
    """A machine on which nothing of Onduty is but what it got from the server."""

    def __init__(self, root: Path, server: Server, python: str = sys.executable) -> None:
        self.home = root / "home"
        self.folder = root / "shop"
        for folder in (self.home, self.folder):
            folder.mkdir()
        self.server = server
        self.program = root / "onduty.pyz"
        answer = server.call("GET", "/client/onduty.pyz", token=None)
        assert answer.status == 200
        self.program.write_bytes(answer.body)
        self.command = [python, "-E", "-s", str(self.program)]
        self.environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

    def run(self, *arguments: str, code: int = 0, program: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*(program or self.command), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def sign_in(self) -> None:
        """As if by a pairing code, of which only ten a minute are taken."""
        self.keep(new_token(self.server, machine_id="second"))

    def keep(self, token: str) -> None:
        """The credential of this machine."""
        file = self.home / ".config" / "onduty" / "credentials.json"
        credentials.keep(Credential(self.server.url, token), file)

    def pair(self) -> str:
        made = self.server.call("POST", "/api/pairings", token=self.server.owner_token, json={})
        assert made.status == 201
        assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", made.json["code"])
        return str(made.json["code"])


@pytest.fixture
def second(server: Server, tmp_path: Path) -> Second:
    return Second(tmp_path, server)


def test_it_is_of_the_servers_own_version_and_the_standard_library_alone(second: Second) -> None:
    assert second.run("version").stdout.strip() == onduty.__version__
    names = zipfile.ZipFile(io.BytesIO(second.program.read_bytes())).namelist()
    assert {name.partition("/")[0] for name in names} == {"__main__.py", "onduty"}
    assert {name.split("/")[1] for name in names if name.startswith("onduty/")} == {"__init__.py", "client"}
    head = second.server.call("HEAD", "/client/onduty.pyz", token=None)
    assert (head.status, head.headers["content-length"]) == (200, str(second.program.stat().st_size))


def test_a_code_and_connect_are_the_whole_installation(second: Second) -> None:
    url = second.server.url
    done = second.run("connect", "claude", "--server", url, "--code", second.pair(), "--machine", "laptop-2",
                      "--project", "My project")  # fmt: skip
    assert "Proven in" in done.stderr
    assert "claude-code on laptop-2" in done.stderr
    second.program.unlink()
    file = second.home / ".config" / "onduty" / "credentials.json"
    kept = second.home / ".local" / "share" / "onduty-client"
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE((kept / "agents.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    settings = (second.home / ".claude" / "settings.json").read_text()
    assert "ody_" not in settings
    assert str(second.home) in settings
    installed = [sys.executable, str(kept / "program" / "onduty.py")]
    assert "brought an event through" in second.run("doctor", program=installed).stdout
    assert "by the token 'paired: laptop-2'" in second.run("login", program=installed).stdout
    token = json.loads(file.read_text())["servers"][url]["token"]
    second.run("disconnect", program=installed)
    assert not (second.home / ".claude" / "settings.json").exists()
    second.run("logout", program=installed)
    assert second.server.call("GET", "/api/me", token=token).status == 401
    assert "ody_" not in file.read_text()
    second.run("login", program=installed, code=4)


def test_a_code_counts_once_and_typed_as_people_type(second: Second) -> None:
    code = second.pair()
    said = {"code": code.lower().replace("-", " "), "machine_id": "m"}
    first, again = (second.server.call("POST", "/api/pairings/redeem", token=None, json=said) for _ in range(2))
    assert (first.status, first.json["machine_id"], first.json["project_ids"]) == (201, "m", None)
    assert (again.status, list(again.json["fieldErrors"])) == (400, ["code"])
    assert second.server.call("POST", "/api/pairings", json={}).status == 403


def test_ten_tries_a_minute(start_server: StartServer) -> None:
    server = start_server()
    said = {"code": "0000-0000", "machine_id": "m"}
    tried = [server.call("POST", "/api/pairings/redeem", token=None, json=said).status for _ in range(11)]
    assert tried == [400] * 10 + [429]


def test_doctor_looks_at_the_clock_and_at_what_the_token_may(second: Second) -> None:
    """Bob is a member and connects; then Alice lets him only view, and then takes the project away."""
    server, owner = second.server, second.server.owner_token
    project = new_project(server, "shared")
    path = f"/api/projects/{project}"
    secret = server.call("POST", f"{path}/invitations", token=owner, json={}).json["url"].partition("#")[2]
    bob = server.call("POST", "/api/invitations/accept", token=None, json={"secret": secret, "name": "Bob"}).json
    second.keep(bob["token"])
    second.run("connect", "claude", "--project", "shared")
    said = second.run("doctor").stdout
    assert "ok    clock: agrees with the server's to 10 s" in said
    assert "ok    Claude Code's project: shared, as member" in said
    user = server.call("GET", "/api/me", token=bob["token"]).json["user_id"]
    assert server.call("PATCH", f"{path}/members/{user}", token=owner, json={"role": "viewer"}).status == 200
    said = second.run("doctor", code=1).stdout
    assert "wrong Claude Code's project: shared: the token is of somebody who only views there" in said
    assert "mend it: onduty connect claude --project NAME" in said
    assert server.call("DELETE", path, token=owner).status in (200, 204)
    assert f"wrong Claude Code's project: {project}: " in second.run("doctor", code=1).stdout


def test_doctor_lists_every_entry_that_holds_a_token_of_ours(second: Second) -> None:
    """Those too that somebody added by hand, for one folder alone or by another name; nobody else's."""
    second.sign_in()
    second.run("connect", "claude", "--project", "My project")
    token, url = new_token(second.server, name="by hand"), f"{second.server.url}/mcp"
    mine = {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {token}"}}
    gone = {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {token[:-1]}"}}
    file = second.home / ".claude.json"
    kept = json.loads(file.read_text())
    kept["mcpServers"]["other"] = {"type": "http", "url": url, "headers": {"Authorization": "Bearer else"}}
    kept["projects"] = {"/home/ada/shop": {"mcpServers": {"onduty": mine, "old": gone}}, "/x": 3}
    file.write_text(json.dumps(kept))
    said = second.run("doctor", code=1).stdout
    assert "ok    Claude Code's MCP entry: " in said
    assert f"ok    Claude Code's MCP entry onduty for /home/ada/shop: {url} with the token 'by hand' of " in said
    assert "wrong Claude Code's MCP entry old for /home/ada/shop: " in said
    assert "mend it: claude mcp remove NAME" in said
    assert "other" not in said
    assert token not in said


@pytest.mark.parametrize(("off_s", "said"), [(3600, "3600 s ahead of"), (-90, "90 s behind")])
def test_doctor_says_how_far_the_clock_is_off(off_s: int, said: str) -> None:
    check = clock(Answer(200, {}, now_ms() - off_s * 1000))
    assert (check.ok, check.mend is not None) == (False, True)
    assert said in check.detail


def test_without_a_terminal_nothing_is_asked(second: Second) -> None:
    new_project(second.server, "other")
    done = second.run("connect", "claude", "--server", second.server.url, "--code", second.pair(), code=2)
    assert "name the project with --project" in done.stderr
    assert not (second.home / ".claude").exists()
    assert "there is no client" in second.run("connect", "emacs", code=2).stderr


def test_at_a_terminal_project_role_and_questions_are_asked_once(second: Second) -> None:
    """What was answered is kept, and a second time nothing is asked."""
    project = new_project(second.server, "asked for")
    second.sign_in()
    command = [*second.command, "connect", "claude", "--machine", "box"]
    with Terminal(command, second.environment, second.folder) as terminal:
        terminal.wait_for("In which role")
        terminal.enter("qa")
        terminal.wait_for("secrets masked? yes or no")
        terminal.enter("yes")
        terminal.wait_for("On which project")
        terminal.enter("asked for")
        terminal.wait_for("role qa")
        assert terminal.wait() == 0
    assert "nothing to change" in second.run("connect", "claude").stderr
    with Terminal(command, second.environment, second.folder) as terminal:
        assert terminal.wait(20) == 0
        assert "?" not in terminal.text()
    kept = json.loads((second.home / ".local" / "share" / "onduty-client" / "agents.json").read_text())["claude"]
    asked = {"role": "qa", "share_questions": True, "project": project, "machine": "box"}
    assert {name: kept[name] for name in asked} == asked
    second.run("connect", "claude", "--no-share-questions")
    assert '"share_questions": false' in (second.home / ".local/share/onduty-client/agents.json").read_text()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (".claude/settings.json", '{\n  "a": 1,\n  // no\n}', "settings.json:3: it is not valid JSON"),
        (".claude/settings.json", '{"hooks": []}', "settings.json: hooks is no object"),
        (".claude.json", '{"mcpServers": ', ".claude.json:1: it is not valid JSON"),
        (".claude.json", "\xff", ".claude.json:1: it is not UTF-8"),
        (".codex/config.toml", "a = 1\nb = [", "config.toml:2: it is not valid TOML"),
        (".codex/config.toml", "a = '\xff'", "config.toml:1: it is not UTF-8"),
        (".codex/hooks.json", '{"hooks": 1}', "hooks.json: hooks is no object"),
    ],
)
def test_a_broken_file_is_named_and_nothing_is_written(second: Second, name: str, text: str, said: str) -> None:
    second.sign_in()
    for folder in (".claude", ".codex"):
        (second.home / folder).mkdir()
    (second.home / name).write_text(text, encoding="latin-1")
    client = "codex" if "codex" in name else "claude"
    done = second.run("connect", client, "--project", "My project", code=2)
    assert said in done.stderr
    assert (second.home / name).read_text(encoding="latin-1") == text
    files = [each for each in second.home.rglob("*") if each.is_file() and "onduty" not in str(each)]
    assert [each.name for each in files] == [Path(name).name]


def test_a_repository_names_no_token_and_no_address(second: Second) -> None:
    second.sign_in()
    second.run("connect", "--project-dir", ".", "--project", "My project", "--role", "frontend")
    text = (second.folder / ".onduty.json").read_text()
    assert json.loads(text) == {"project": second.server.project_id, "role": "frontend"}


@pytest.mark.parametrize("version", ["3.9", "3.12", "3.13"])
def test_other_pythons(server: Server, tmp_path: Path, version: str) -> None:
    found = shutil.which(f"python{version}") or next(
        (str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))), None
    )
    if found is None or subprocess.run([found, "-c", ""], capture_output=True).returncode:
        found = next((str(p) for p in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))), None)
    if found is None:
        pytest.skip(f"no Python {version} here")
    second = Second(tmp_path, server, found)
    second.sign_in()
    assert "Proven in" in second.run("connect", "claude", "--project", "My project").stderr


def test_run_is_a_session_with_its_process(second: Second) -> None:
    second.sign_in()
    second.environment["ONDUTY_PROJECT"] = second.server.project_id
    script = "import os, sys; print(os.environ['ONDUTY_SESSION']); sys.exit(7)"
    done = second.run("run", "--", sys.executable, "-c", script, code=7)
    row = second.server.call("GET", f"/api/agent-sessions/{done.stdout.strip()}").json
    assert (row["state"], row["end_reason"], row["folder"]) == ("ended", "other", "shop")
    assert second.run("run", "--", "no-such-program", code=127).stdout == ""


def test_signals_reach_the_command_and_its_own_end_is_ours(second: Second) -> None:
    second.sign_in()
    second.environment["ONDUTY_PROJECT"] = second.server.project_id
    command = [
        *second.command,
        "run",
        "--",
        "sh",
        "-c",
        "trap 'echo got; exit 5' TERM; echo on; while :; do sleep 0.1; done",
    ]
    with subprocess.Popen(command, cwd=second.folder, env=second.environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "on\n"
        run.send_signal(signal.SIGTERM)
        assert run.stdout.read() == "got\n"
        assert run.wait(10) == 5
    command[-1] = "echo on; exec sleep 60"
    with subprocess.Popen(command, cwd=second.folder, env=second.environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "on\n"
        run.send_signal(signal.SIGTERM)
        assert run.wait(10) == 128 + signal.SIGTERM


def test_a_signal_that_comes_before_the_command_is_known_reaches_it() -> None:
    """The command runs from the fork on, and may be told to end before `run` holds it."""
    with passing_signals() as to:
        os.kill(os.getpid(), signal.SIGTERM)
        with subprocess.Popen(["sleep", "60"]) as command:
            to(command)
            assert command.wait(10) == -signal.SIGTERM


def test_an_agent_in_an_agent_is_its_child(second: Second) -> None:
    second.sign_in()
    second.environment["ONDUTY_PROJECT"] = second.server.project_id
    inner = [*second.command, "run", "--", "sh", "-c", "echo $ONDUTY_SESSION"]
    done = second.run("run", "--", "sh", "-c", f"echo $ONDUTY_SESSION; {shlex.join(inner)}")
    outer_id, inner_id = done.stdout.split()
    row = second.server.call("GET", f"/api/agent-sessions/{inner_id}").json
    assert row["parent_session_id"] == outer_id


def test_a_command_runs_where_no_server_is(second: Second) -> None:
    done = second.run("run", "--", "echo", "works")
    assert done.stdout == "works\n"
    assert "runs unseen" in done.stderr


def test_what_is_installed_is_what_runs_here(tmp_path: Path) -> None:
    assert installing.install(str(tmp_path))
    assert not installing.install(str(tmp_path))
    (tmp_path / "program" / "onduty" / "client" / "hook.py").write_text("broken")
    assert installing.install(str(tmp_path))
    assert "broken" not in (tmp_path / "program" / "onduty" / "client" / "hook.py").read_text()
