"""One request to one server: one connection, one send, one short answer, all of it before a deadline."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

_LONGEST = 256 * 1024


class Late(Exception):  # noqa: N818
    """The deadline passed before the answer had come."""


class Answered(Exception):  # noqa: N818
    """The server's answer is an error: `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"The server answers {status}")
        self.status = status


def post(origin: str, path: str, token: str, body: object, until: float) -> dict[str, Any]:
    """POST a JSON body. `until` is on `time.monotonic`. Late, Answered; OSError where nobody answers; no redirect."""
    scheme, _, address = origin.partition("://")
    host, port = _split(address, 443 if scheme == "https" else 80)
    sent = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    try:
        with _connected(scheme, host, port, until) as connection:
            connection.settimeout(_left(until))
            connection.sendall(head.encode("ascii", "replace") + sent)
            return _answer(connection, until)
    except TimeoutError:
        raise Late from None


def _split(address: str, port: int) -> tuple[str, int]:
    name, colon, number = address.rpartition(":")
    if colon and number.isdigit():
        return name.strip("[]"), int(number)
    return address.strip("[]"), port


def _connected(scheme: str, host: str, port: int, until: float) -> socket.socket:
    connection = socket.create_connection((host, port), _left(until))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if scheme != "https":
        return connection
    import ssl

    connection.settimeout(_left(until))
    return ssl.create_default_context().wrap_socket(connection, server_hostname=host)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _answer(connection: socket.socket, until: float) -> dict[str, Any]:
    read = b""
    while not _is_whole(read) and len(read) <= _LONGEST:
        connection.settimeout(_left(until))
        chunk = connection.recv(65536)
        if not chunk:
            break
        read += chunk
    head, _, body = read.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise OSError("what answers there is no server")
    if words[1] != b"200":
        raise Answered(int(words[1]))
    try:
        answer = json.loads(body)
    except ValueError:
        raise OSError("what answers there is not Onduty") from None
    return answer if isinstance(answer, dict) else {}


def _is_whole(read: bytes) -> bool:
    head, end, body = read.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False
