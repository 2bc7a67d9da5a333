"""Answers of plain ASGI callables, and the headers that every answer of ours carries."""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from onduty.errors import Problem, as_object

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Client = tuple[str, int] | None

POLICY: Final = b"content-security-policy"
"""The header that says what a browser may do with an answer. A page brings its own; all else may do nothing."""
ALWAYS: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (POLICY, b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
]
JSON: Final = (b"content-type", b"application/json")


class Whole(NamedTuple):
    """An answer that needed no waiting, as it goes over the wire: status line and headers but `Date`, and the body."""

    head: bytes
    body: bytes = b""


def lines(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Status line and headers as they go over the wire; the blank line after them is left to who writes them."""
    told = [b"%b: %b\r\n" % pair for pair in headers]
    return b"HTTP/1.1 %d %b\r\n%b" % (status, HTTPStatus(status).phrase.encode(), b"".join(told))


async def answer(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes = b"") -> None:
    """Send a whole answer. Its length is told, but where there is no body by rule."""
    told = list(headers)
    if status not in (204, 304):
        told.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})


def problem_answer(problem: Problem) -> tuple[int, Headers, bytes]:
    """Status, headers and body of a refusal: the one error object."""
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in problem.headers.items()]
    body = json.dumps(as_object(problem), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return problem.status, [JSON, (b"cache-control", b"no-store"), *headers], body


async def refuse(send: Send, problem: Problem) -> None:
    """Send a refusal."""
    status, headers, body = problem_answer(problem)
    await answer(send, status, headers, body)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The request's body, None where it is longer than `limit` bytes or its sender is gone."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
