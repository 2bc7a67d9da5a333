"""What goes over the wire: heads that are too long, and answers given at once between others that are not."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import pytest

from onduty import process
from onduty.answers import Receive, Scope, Send, Whole
from tests.serving import Server, server

__all__ = ["server"]

_LIMIT = 32 * 1024


def _say(server: Server, *pieces: bytes) -> bytes:
    """All that the server answers until it closes; the last request has to ask it to."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as connection:
        heard = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while more := connection.recv(65536):
                heard += more
        except ConnectionError:
            pass
        return heard


def _request(server: Server, method: str, path: str, *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {server.token}", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def _list(server: Server, *headers: str) -> bytes:
    return _request(server, "GET", f"/api/projects/{server.project_id}/agent-sessions", *headers)


@pytest.mark.parametrize("many", [True, False])
def test_heads_are_limited_in_all(server: Server, many: bool) -> None:
    long = [f"X-{number}: {'y' * 1000}" for number in range(40)] if many else [f"X-Long: {'y' * 40_000}"]
    assert _say(server, _list(server, *long)).startswith(b"HTTP/1.1 431 ")
    fitting = f"X-Long: {'y' * (_LIMIT - 1_000)}"
    assert _say(server, _list(server, fitting, "Connection: close")).startswith(b"HTTP/1.1 200 ")


def test_a_head_without_an_end_is_refused(server: Server) -> None:
    assert _say(server, b"GET / HTTP/1.1\r\nX-Long: ", *[b"y" * 20_000] * 8).startswith(b"HTTP/1.1 431 ")


def test_a_long_body_is_no_long_head(server: Server) -> None:
    events = b'{"sent_at": "2026-01-01T00:00:00Z", "events": []' + b" " * 300_000 + b"}"
    about = ("Content-Type: application/json", f"Content-Length: {len(events)}", "Connection: close")
    heard = _say(server, _request(server, "POST", "/api/agent-events", *about), events)
    assert heard.startswith(b"HTTP/1.1 200 ")


def test_answers_come_in_the_order_of_the_requests(server: Server) -> None:
    """What is answered at once does not overtake what takes a task, nor the other way round."""
    slow = _request(server, "GET", "/api/me")
    heard = _say(server, _list(server) + slow + _list(server) + slow + _list(server, "Connection: close"))
    bodies = [part for part in heard.split(b"\r\n\r\n") if part.startswith(b"{")]
    kinds = [b'"sessions"' in body for body in bodies]
    assert kinds == [True, False, True, False, True]
    assert heard.count(b"HTTP/1.1 200 ") == 5


def test_at_once_or_not_the_answer_is_the_same(server: Server) -> None:
    """An unknown query parameter is ignored, and takes the ordinary way."""
    for path in (
        f"/api/projects/{server.project_id}/agent-sessions",
        f"/api/projects/{server.project_id.upper()}/agent-sessions",
    ):
        quick, ordinary = server.call("GET", path), server.call("GET", f"{path}?unknown=1")
        assert (quick.status, quick.body) == (ordinary.status, ordinary.body)
        assert _kept(quick.headers.items()) == _kept(ordinary.headers.items())


class _Wire(asyncio.Transport):
    """A connection that keeps what is written to it, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.written, self.is_closed = b"", False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


class _AlwaysAtOnce:
    def at_once(self, *_: object) -> Whole:
        return Whole(b"HTTP/1.1 204 No Content\r\n")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("nothing is to take a task")


def test_a_connection_left_idle_after_an_answer_at_once_is_closed() -> None:
    """uvicorn's timer is not armed for such an answer; the look once a second takes its place."""

    async def story() -> None:
        made = process.server(_AlwaysAtOnce(), lambda: None)
        made.config.load()
        made.server_state.default_headers = [(b"date", b"today")]
        wire, protocol = _Wire(), process.Protocol(made.config, made.server_state, {})
        protocol.connection_made(wire)
        for _ in range(2):
            protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
            for _ in range(75):
                protocol.look()
        assert wire.written.count(b"HTTP/1.1 204 No Content\r\ndate: today\r\n\r\n") == 4
        assert not wire.is_closed
        for _ in range(2):
            protocol.look()
        assert wire.is_closed

    asyncio.run(story())


def _kept(headers: list[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(name.lower(), value) for name, value in headers if name.lower() not in ("date", "x-request-id")}
