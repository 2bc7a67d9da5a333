"""The commands against a real server, from its first start on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from onduty.clock import parse_rfc3339, wall_ms
from tests.serving import Server, StartServer
from tests.wheel import onduty as program


def onduty(server: Server, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """A command of the owner, in the home that the server's first start left: exit code, stdout, stderr."""
    done = subprocess.run(
        program(*arguments),
        env=_environment(server, **environment),
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stdout, done.stderr


def _environment(server: Server, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONDUTY_")}
    return {**kept, "HOME": str(server.folder / "home"), "XDG_CONFIG_HOME": str(server.configuration), **more}


def _project(server: Server, name: str) -> str:
    code, out, err = onduty(server, "project", "create", name)
    assert code == 0, err
    return out.strip()


def _register(server: Server, project: str, **fields: Any) -> dict[str, Any]:
    path = f"/api/projects/{project}/agent-sessions"
    body = {"machine_id": "laptop", "caller_origin": "codex", "caller_role": "qa", **fields}
    answer = server.call("POST", path, token=server.owner_token, json=body)
    assert answer.status == 201, answer.body
    row: dict[str, Any] = answer.json
    return row


def test_the_first_start_signs_the_command_line_in(start_server: StartServer) -> None:
    server = start_server()
    code, out, err = onduty(server, "who")
    assert (code, err) == (1, "")
    assert out.startswith("Nobody is on duty in ")
    assert onduty(server, "doctor")[0] == 0
    code, out, _ = onduty(server, "status")
    assert code == 0
    assert server.url in out
    server.stop()
    for command in ("who", "status"):
        assert onduty(server, command)[0] == 3
    assert onduty(server, "doctor")[0] == 1


def test_who_shows_what_the_api_says(server: Server) -> None:
    project = _project(server, "shown")
    row = _register(server, project, branch="main")
    code, out, err = onduty(server, "who", "--project", "Shown")
    assert (code, err) == (0, "")
    assert re.search(r"^● working +codex +qa +\S+ +laptop +main +\d+ s +\d+ s +called \d+ s ago$", out, re.MULTILINE)
    code, out, _ = onduty(server, "who", "--json", ONDUTY_PROJECT=project)
    assert code == 0
    assert [each["session_id"] for each in json.loads(out)["sessions"]] == [row["session_id"]]
    listed = server.call("GET", f"/api/projects/{project}/agent-sessions", token=server.owner_token)
    assert json.loads(out) == listed.json
    ended = server.call("DELETE", f"/api/agent-sessions/{row['session_id']}", token=server.owner_token)
    assert ended.status == 204, ended.body
    assert onduty(server, "who", "--project", project)[0] == 1


def test_a_made_token_sees_its_project_alone_and_ends(server: Server) -> None:
    project = _project(server, "for-ci")
    options = ["--project", "for-ci", "--role", "qa", "--machine", "ci-1", "--read-only", "--expires", "30d"]
    code, out, _ = onduty(server, "token", "create", "--name", "ci", *options)
    assert code == 0
    assert re.fullmatch(r"ody_[0-9A-Za-z]{36}\n", out)
    me = server.call("GET", "/api/me", token=out.strip()).json["token"]
    assert (me["name"], me["project_ids"], me["read_only"]) == ("ci", [project], True)
    assert (me["caller_role"], me["machine_id"]) == ("qa", "ci-1")
    left_ms = parse_rfc3339(me["expires_at"]) - wall_ms()
    assert abs(left_ms - 30 * 86_400_000) < 60_000
    by_it = {"ONDUTY_SERVER": server.url, "ONDUTY_TOKEN": out.strip()}
    assert onduty(server, "who", **by_it)[1] == "Nobody is on duty in for-ci.\n"
    assert onduty(server, "project", "create", "more", **by_it)[0] == 4
    assert onduty(server, "token", "create", "--name", "more", "--all-projects", **by_it)[0] == 4
    assert onduty(server, "who", "--project", "shown", **by_it)[0] == 4


def test_sign_in_prints_a_link_that_works_once(server: Server) -> None:
    code, out, err = onduty(server, "sign-in")
    assert code == 0
    assert re.fullmatch(rf"{server.url}/sign-in#[0-9a-f]{{64}}\n", out)
    assert "15 minutes" in err
    body = f"secret={out.strip().rpartition('#')[2]}".encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    statuses = [server.call("POST", "/sign-in", token=None, body=body, headers=form).status for _ in range(2)]
    assert statuses == [303, 400]
    assert onduty(server, "sign-in", ONDUTY_SERVER=server.url, ONDUTY_TOKEN=server.token)[0] == 4


def test_what_the_server_refuses_is_said(server: Server) -> None:
    code, out, err = onduty(server, "project", "create", " ")
    assert (code, out) == (2, "")
    assert err.startswith("onduty: name")
    wrong = {"ONDUTY_SERVER": server.url, "ONDUTY_TOKEN": "ody_" + "0" * 36}
    assert onduty(server, "who", **wrong)[0] == 4
    assert onduty(server, "doctor", **wrong)[0] == 1


def test_watch_sees_a_session_come(server: Server, tmp_path: Path) -> None:
    project = _project(server, "watched")
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            program("who", "--watch", "--json", "--project", project),
            env=_environment(server),
            stdout=out,
        )
    try:
        _await_lines(tmp_path / "out", 1)
        row = _register(server, project)
        lines = _await_lines(tmp_path / "out", 2)
    finally:
        process.kill()
        process.wait()
    assert json.loads(lines[0]) == {"sessions": []}
    assert json.loads(lines[1])["sessions"][0]["session_id"] == row["session_id"]


def _await_lines(file: Path, number: int) -> list[str]:
    until = time.monotonic() + 20
    while len(lines := file.read_text().splitlines()) < number:
        assert time.monotonic() < until, lines
        time.sleep(0.05)
    return lines
