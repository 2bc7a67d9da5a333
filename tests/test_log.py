"""What the server writes to stderr: a line of JSON a record, whatever clients say."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import sys
from contextlib import closing

from onduty.background import Background
from onduty.clock import parse_rfc3339
from onduty.log import Lines, request_id
from tests.asking import Answer
from tests.mcp.speaking import ERAS, Client
from tests.serving import Server, StartServer


def _written(message: str, *values: object, failed: bool = False) -> str:
    info = sys.exc_info() if failed else None
    record = logging.LogRecord("onduty.somewhere", logging.WARNING, "file.py", 1, message, values, info)
    return Lines().format(record)


def test_a_line_says_what_how_bad_where_and_when() -> None:
    line = json.loads(_written("lost after %s", "3 s"))
    assert (line["event"], line["level"], line["logger"]) == ("lost after 3 s", "warning", "onduty.somewhere")
    assert parse_rfc3339(line["timestamp"]) > 0
    assert "exception" not in line


def test_nothing_breaks_out_of_its_line() -> None:
    said = 'a\n{"event": "forged"}\r\x1b[31m\u2028\u0085\ud800"'
    written = _written("said %s", said)
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written)["event"] == f"said {said}"


def test_what_went_wrong_stands_in_the_same_line() -> None:
    try:
        raise ValueError("no\nsuch")
    except ValueError:
        written = _written("it failed", failed=True)
    assert "\n" not in written
    assert json.loads(written)["exception"].endswith("ValueError: no\nsuch")


def told(server: Server, answer: Answer) -> dict[str, object]:
    """The line that the log has for an answer: every line with its id says so, and it is the only one."""
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    [line] = [line for line in lines if line.get("request") == answer.headers["X-Request-Id"]]
    return dict(line)


def test_a_line_written_for_a_request_has_the_id_that_it_was_answered_with(start_server: StartServer) -> None:
    """REST, pages and MCP alike."""
    server = start_server()
    visit = server.sign_in_link.partition("#")[2]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    signed_in = server.call("POST", "/sign-in", token=None, body=f"secret={visit}".encode(), headers=form)
    cookie = str(signed_in.headers["Set-Cookie"]).partition(";")[0]
    sessions = f"/api/projects/{server.project_id}/agent-sessions"
    clients = [Client(server.port, server.token, era).started() for era in ERAS]
    with closing(sqlite3.connect(server.data / "onduty.sqlite3", timeout=10)) as database, database:
        database.execute("ALTER TABLE agent_sessions RENAME TO elsewhere")
    rest = server.call("POST", sessions, json={"machine_id": "laptop"})
    page = server.call("GET", f"/projects/{server.project_id}", token=None, headers={"Cookie": cookie})
    assert (rest.status, page.status) == (500, 500)
    for answer in (rest, page):
        assert "no such table" in str(told(server, answer)["exception"])
    for client in clients:
        answer = client.post(client.message("tools/call", {"name": "whoami", "arguments": {}}))
        said = answer.json["result"]
        assert said["isError"]
        assert said["content"][0]["text"].endswith(f"(request {answer.headers['X-Request-Id']})")
        assert "no such table" in str(told(server, answer)["exception"])


def test_a_loop_that_a_request_was_the_first_to_need_is_no_part_of_it() -> None:
    found: list[str] = []

    async def loop() -> None:
        found.append(request_id.get())

    async def run() -> None:
        request_id.set("served")
        background = Background()
        background.spawn("loop", loop())
        await background.stop()

    asyncio.run(run())
    assert found == [""]
