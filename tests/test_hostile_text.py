"""Escape sequences, bidi, markup and line breaks in every text that a client can send: shown nowhere as they came."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from onduty.log import log_to_stderr
from tests.asking import Answer, ask
from tests.cli.test_real_server import onduty
from tests.mcp.speaking import ERAS, Desk, new_token
from tests.raw import bearer, request, send
from tests.serving import Server

# What a terminal obeys or a reader is misled by; a line break is looked for apart, where lines are counted.
_RAW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
MARKUP = "[bold red]M[/bold red][link=http://evil.example]L[/link]"
HOSTILE = f"a\x1b]0;t\x07\x1b[31mb\x9b2J\u202ec\u2066d\u200be\U000e0041\r\nf\x7f\u2028g{MARKUP}"
FIELDS = ("name", "caller_role", "caller_origin", "client_version", "client_ref", "folder", "said", "ticket")


def _made(server: Server, method: str, path: str, body: Any, token: str | None = None) -> Any:
    answer = server.call(method, path, token=token or server.owner_token, json=body)
    assert answer.status in (200, 201), answer.body
    return answer.json


def _everything(server: Server) -> str:
    """Say it in every field, header, address and tool that takes text; the project's id."""
    project = _made(server, "POST", "/api/projects", {"name": HOSTILE})["id"]
    token = new_token(server, name=HOSTILE, project_ids=[project], caller_role=HOSTILE, machine_id="m" + HOSTILE[:40])
    words = {name: HOSTILE for name in FIELDS if name not in ("name", "said", "ticket")}
    short = {"machine_id": "m" + HOSTILE[:40], "branch": HOSTILE[:60]}
    session = _made(server, "POST", f"/api/projects/{project}/agent-sessions", {**words, **short}, token)["session_id"]
    _made(server, "PATCH", f"/api/agent-sessions/{session}", {"said": HOSTILE, "ticket": HOSTILE}, token)
    at = datetime.now(UTC).isoformat()
    event = {
        "at": at,
        "tool": HOSTILE,
        "tool_id": HOSTILE,
        "folder": HOSTILE,
        "reason": HOSTILE,
        "question": HOSTILE,
        **short,
    }
    kinds = ("start", "prompt", "tool_started", "waiting", "subagent_started")
    events = [{**event, "id": kind + HOSTILE, "kind": kind, "session": HOSTILE, "subagent": HOSTILE} for kind in kinds]
    _made(server, "POST", "/api/agent-events", {"sent_at": at, "caller_origin": HOSTILE, "events": events}, token)
    _made(server, "POST", "/api/agent-events", {"sent_at": at, "machine_id": "x", "events": events}, token)
    for era in ERAS:
        desk = Desk(server, project, token)
        client = desk.client(era, HOSTILE)
        client.version = HOSTILE
        client.started()
        client.call("set_status", {"said": HOSTILE, "ticket": HOSTILE, "caller_role": HOSTILE})
    invitation = _made(server, "POST", f"/api/projects/{project}/invitations", {})
    secret = invitation["url"].partition("#")[2]
    joined = server.call("POST", "/api/invitations/accept", token=None, json={"secret": secret, "name": HOSTILE})
    assert joined.status == 200, joined.body
    for path in ("/api/%1b%5b31m%0a", "/api/me?%0a=%1b", "/%e2%80%ae"):
        server.call("GET", path)
    latin = HOSTILE.encode().decode("latin-1").replace("\r\n", " ")
    headers = [bearer(token), ("Onduty-Machine", latin[:40]), ("Onduty-Session", latin), ("User-Agent", latin)]
    send(server.port, request("GET", "/api/me", headers))
    send(server.port, b"GET \x1b[31m HTTP/1.1\r\n\x1b: \x1b\r\n\r\n")
    return str(project)


@pytest.fixture(scope="module")
def project(server: Server) -> str:
    return _everything(server)


@pytest.mark.parametrize(
    "command",
    [
        *(("who",), ("who", "--json"), ("status",), ("status", "--json"), ("project", "list"), ("token", "list")),
        *(("member", "list"), ("member", "list", "--json"), ("token", "list", "--json"), ("project", "list", "--json")),
    ],
    ids=" ".join,
)
def test_a_command_shows_nothing_raw(server: Server, project: str, command: tuple[str, ...]) -> None:
    """And markup is text: what is in brackets stands there in brackets."""
    code, out, err = onduty(server, *command, ONDUTY_PROJECT=project, FORCE_COLOR="1")
    assert code == 0, err
    assert _RAW.findall(out + err) == []
    assert MARKUP in out or "--json" in command or command[0] == "status"
    if command == ("who",):
        assert len([line for line in out.splitlines() if "working" in line or "waiting" in line]) >= 2


def test_a_refusal_of_a_command_shows_nothing_raw(server: Server, project: str) -> None:
    for command in (("project", "use", HOSTILE), ("who", "--project", HOSTILE + "x"), ("token", "revoke", HOSTILE)):
        _, out, err = onduty(server, *command)
        assert _RAW.findall(out + err) == [], command


def test_the_page_and_its_title_show_nothing_raw(server: Server, project: str) -> None:
    link = _made(server, "POST", "/api/sign-in-links", None)["url"]
    form = f"secret={link.partition('#')[2]}".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    cookie = ask(server.port, "POST", "/sign-in", body=form, headers=kind).headers["set-cookie"].partition(";")[0]
    answers: list[Answer] = [
        ask(server.port, "GET", path, headers={"Cookie": cookie})
        for path in ("/projects", f"/projects/{project}", "/projects/%1b%5b31m")
    ]
    for answer in answers:
        assert _RAW.findall(answer.body.decode()) == []
        title = re.search(r"<title>(.*?)</title>", answer.body.decode(), re.DOTALL)
        assert title
        assert "\n" not in title[1].strip()
    assert MARKUP in answers[1].body.decode()


def test_answers_hold_nothing_raw(server: Server, project: str) -> None:
    """What the API gives back has been cleaned, whoever shows it."""
    for path in (
        *(f"/api/projects/{project}/{name}" for name in ("agent-sessions?active=false", "members", "audit")),
        *("/api/projects", "/api/tokens"),
    ):
        text = json.dumps(_made(server, "GET", path, None), ensure_ascii=False)
        assert _RAW.findall(text) == [], path
        assert "\\n" not in text


def test_the_log_is_one_object_a_line(server: Server, project: str) -> None:
    lines = server.log.read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert _RAW.findall("\n".join(lines)) == []


def test_a_log_line_holds_nothing_raw_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Message, values and traceback: one line of printable ASCII."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        log_to_stderr("info")
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            logging.getLogger("onduty.x").exception("failed: %s", HOSTILE)
        sys.stderr.flush()
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    [line] = capsys.readouterr().err.splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["level"] == "error"
