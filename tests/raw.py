"""Requests byte for byte, for what no client library would send."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from contextlib import closing
from http.client import HTTPResponse

from tests.asking import Answer


def request(
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    host: str | None = "127.0.0.1",
) -> bytes:
    """The bytes of a request with these headers, in order; `host` None sends none."""
    told = [*([] if host is None else [("Host", host)]), *headers]
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def send(port: int, *pieces: bytes, method: str = "GET", timeout: float = 10) -> Answer:
    """Send these bytes to 127.0.0.1, piece by piece, and read one answer; `method` says whether it has a body."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout)) as connection:
        try:
            for number, piece in enumerate(pieces):
                # Apart in time, so that they are read apart.
                time.sleep(0.1 if number else 0)
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It answered without reading on.
        response = HTTPResponse(connection, method=method)
        response.begin()
        return Answer(response.status, response.headers, response.read())


def bearer(token: str) -> tuple[str, str]:
    """The Authorization header of a token."""
    return ("Authorization", f"Bearer {token}")


def chunked(chunk: bytes, times: int) -> bytes:
    """A body of that many equal chunks, for `Transfer-Encoding: chunked`."""
    return (b"%x\r\n%s\r\n" % (len(chunk), chunk)) * times + b"0\r\n\r\n"
