"""Bodies that no honest client sends: compressed, with two lengths, without end, a byte a second."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.mcp.speaking import ACCEPT, Desk, new_project, new_token
from tests.raw import bearer, chunked, request, send
from tests.serving import Server

_JSON = ("Content-Type", "application/json")
_RIGHT = b'{"machine_id":"laptop"}'
_MIB = 1024 * 1024


def _sessions(server: Server) -> str:
    return f"/api/projects/{server.project_id}/agent-sessions"


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "gzip, identity", "unknown"])
def test_a_compressed_body_is_415(server: Server, coding: str) -> None:
    """Nobody's hundred bytes become a gigabyte here: none is unpacked, over REST or MCP, whatever it holds."""
    for path, body in ((_sessions(server), gzip.compress(_RIGHT)), ("/mcp", _RIGHT)):
        told = [bearer(server.token), _JSON, ("Content-Encoding", coding), ("Content-Length", str(len(body)))]
        answer = send(server.port, request("POST", path, told, body), method="POST")
        assert (answer.status, answer.json["code"]) == (415, "UNSUPPORTED")
    plain = [bearer(server.token), _JSON, ("Content-Encoding", "identity"), ("Content-Length", str(len(_RIGHT)))]
    assert send(server.port, request("POST", _sessions(server), plain, _RIGHT), method="POST").status == 201


@pytest.mark.parametrize(
    "lengths",
    [
        [("Content-Length", "23"), ("Content-Length", "24")],
        [("Content-Length", "23"), ("Content-Length", "23")],
        [("Content-Length", "23, 23")],
        [("Content-Length", "23"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "23")],
        [("Content-Length", "-1")],
        [("Content-Length", "+23")],
        [("Content-Length", "0x17")],
        [("Content-Length", "9" * 40)],
        [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")],
        [("Transfer-Encoding", "gzip")],
    ],
)
def test_a_body_has_one_length(server: Server, lengths: list[tuple[str, str]]) -> None:
    """A proxy in front may read the other one: what it lets through as a body would be a request to us."""
    told = [bearer(server.token), _JSON, *lengths]
    before = len(server.call("GET", f"{_sessions(server)}?active=false").json["sessions"])
    answer = send(server.port, request("POST", _sessions(server), told, _RIGHT), method="POST")
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert len(server.call("GET", f"{_sessions(server)}?active=false").json["sessions"]) == before


_FORMS = ("/sign-in", "/sign-out", "/join")


def _megabytes(server: Server) -> float:
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    return pages * 4096 / _MIB


@pytest.mark.parametrize("path", ["{}", "/api/agent-events", "/mcp", "/api/invitations/accept", *_FORMS])
def test_a_body_without_end_takes_no_memory(server: Server, path: str) -> None:
    """100 MB in chunks: refused when it is too much, and what still comes is dropped."""
    kind = ("Content-Type", "application/x-www-form-urlencoded") if path in _FORMS else _JSON
    told = [bearer(server.token), kind, ("Transfer-Encoding", "chunked")]
    before = _megabytes(server)
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as connection:
        connection.sendall(request("POST", path.format(_sessions(server)), told))
        piece, most = chunked(b" " * 65_536, 16).removesuffix(b"0\r\n\r\n"), before
        try:
            for _ in range(100):
                connection.sendall(piece)
                most = max(most, _megabytes(server))
        except ConnectionError:
            pass  # It closed.
    assert most - before < 40
    assert server.call("GET", "/livez", token=None).status == 200


_NO_MESSAGES = [
    b"\xff\xfe{}",
    b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}',
    rb'{"jsonrpc":"2.0","id":"\ud800","method":"ping"}',
    b"[]",
    b"null",
    b'"x"',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[1]}',
    rb'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"clientInfo":{"name":"\ud800\u0000","version":7}}}',
]


@pytest.mark.parametrize("body", _NO_MESSAGES, ids=lambda body: repr(body[:40]))
@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_what_is_no_message_is_no_fault_of_ours(server: Server, body: bytes, era: str) -> None:
    headers = {**ACCEPT, "Content-Type": "application/json", "MCP-Protocol-Version": era}
    answer = server.call("POST", "/mcp", body=body, headers=headers)
    assert answer.status < 500
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("wrong", ["\ud800", "a\udc00", "a\0b", "x" * 121])
def test_a_tool_refuses_what_is_no_text(server: Server, wrong: str) -> None:
    project_id = new_project(server, "no text")
    desk = Desk(server, project_id, new_token(server, project_ids=[project_id]))
    params = {"name": "set_status", "arguments": {"said": wrong}}
    client = desk.client("2025-06-18")
    headers = client.header({"method": "tools/call"})
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    answer = server.call("POST", "/mcp", token=desk.token, body=body, headers=headers)
    assert answer.status < 500
    assert not any(row["said"] for row in desk.rows())


def _slow(server: Server, number: int) -> tuple[bytes, bytes]:
    """What a slow connection sends at once, and then a byte a second of: half of a head, half of a body."""
    told = [bearer(server.token), _JSON, ("Content-Length", "9999")]
    whole = request("POST", _sessions(server), told)
    return (whole, b" " * 60) if number % 2 else (whole[:60], whole[60:])


def _answers(connections: list[socket.socket]) -> Iterator[HTTPResponse]:
    for connection in connections:
        response = HTTPResponse(connection, method="POST")
        response.begin()
        yield response


def test_a_byte_a_second_from_fifty_connections_hinders_nobody(server: Server) -> None:
    """They are cut off after ten seconds, with a word; others are served meanwhile; a steady upload comes through."""
    body = _RIGHT + b" " * (14 * 1024 - len(_RIGHT))
    steady = request("POST", _sessions(server), [bearer(server.token), _JSON, ("Content-Length", str(len(body)))])
    with ExitStack() as held:
        opened = [held.enter_context(socket.create_connection(("127.0.0.1", server.port), 10)) for _ in range(51)]
        slow, uploading = opened[:50], opened[50]
        sending = [_slow(server, number) for number in range(50)]
        uploading.sendall(steady)
        for connection, (first, _) in zip(slow, sending, strict=True):
            connection.sendall(first)
        for second in range(14):
            uploading.sendall(body[second * 1024 : (second + 1) * 1024])
            for connection, (_, rest) in zip(slow, sending, strict=True):
                try:
                    connection.sendall(rest[second : second + 1])
                except ConnectionError:
                    pass  # It was cut off.
            asked = time.monotonic()
            assert server.call("GET", _sessions(server)).status == 200
            assert server.call("POST", _sessions(server), json={"machine_id": "laptop"}).status == 201
            assert time.monotonic() - asked < 2
            time.sleep(1)
        assert [answer.status for answer in _answers([uploading])] == [201]
        answers = list(_answers(slow))
        assert [answer.status for answer in answers] == [408] * 50
        assert {json.loads(answer.read())["code"] for answer in answers} == {"TIMED_OUT"}
