"""Reads a live stream: server-sent events over a connection of its own, each as it comes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from tests.serving import Server

ON_DUTY = "active=false&state=working,waiting,idle,quiet"

# Comments, and what pages get in their place.
SIGNS = ("", "beat")


@dataclass(frozen=True)
class Event:
    """One event; `kind` is empty for a comment."""

    kind: str
    id: str
    data: Any


@dataclass
class Watch:
    """An open stream; `last_id` is the id that was read last."""

    connection: HTTPConnection
    response: HTTPResponse
    last_id: str = ""
    rows: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return self.response.status

    def next(self, *kinds: str) -> Event:
        """The next event of these kinds, by default of any that says something. EOFError at the stream's end."""
        while True:
            event = self.read()
            if event.kind in kinds or (not kinds and event.kind not in SIGNS):
                return event

    def read(self) -> Event:
        """The next block, comments and all. EOFError at the stream's end, TimeoutError where nothing comes."""
        lines: list[str] = []
        while True:
            line = self.response.readline()
            if not line:
                raise EOFError
            if line == b"\n" and lines:
                break
            lines.append(line.decode().rstrip("\n"))
        fields = {name: value.removeprefix(" ") for name, _, value in (each.partition(":") for each in lines)}
        self.last_id = fields.get("id", self.last_id)
        data = json.loads(fields["data"]) if "data" in fields else None
        event = Event(fields.get("event", ""), fields.get("id", ""), data)
        self._apply(event)
        return event

    def _apply(self, event: Event) -> None:
        if event.kind == "snapshot":
            self.rows = {row["session_id"]: row for row in event.data["sessions"]}
        elif event.kind == "session":
            self.rows[event.data["session"]["session_id"]] = event.data["session"]
        elif event.kind == "gone":
            self.rows.pop(event.data["session_id"], None)

    def to_the_end(self) -> list[Event]:
        """All that is said until the server ends it."""
        found = []
        try:
            while True:
                found.append(self.next())
        except EOFError:
            return found


@contextmanager
def watch(
    server: Server, path: str, token: str | None = None, timeout: float = 10, headers: Mapping[str, str] | None = None
) -> Iterator[Watch]:
    """Open a stream; without a token, and without other headers, by the one that the server printed."""
    sent = dict(headers or {})
    if token is not None or not sent.keys() & {"Cookie", "Authorization"}:
        sent["Authorization"] = f"Bearer {token or server.token}"
    connection = HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    # A reader that is slow is told so soon, not after megabytes.
    connection.connect()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    try:
        connection.request("GET", path, headers=sent)
        yield Watch(connection, connection.getresponse())
    finally:
        connection.close()


def stream_of(server: Server, project_id: str | None = None) -> str:
    """The path of a project's stream, the first one's by default."""
    return f"/api/projects/{project_id or server.project_id}/agent-sessions/stream"
