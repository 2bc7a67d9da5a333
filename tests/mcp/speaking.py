"""MCP by hand, of either era: what a test sends is what goes over the wire."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from tests.asking import Answer, ask
from tests.serving import Server

T = TypeVar("T")
Json = dict[str, Any]

OLD, LATE, MODERN = "2025-06-18", "2025-11-25", "2026-07-28"
ERAS = (OLD, LATE, MODERN)
ACCEPT = {"Accept": "application/json, text/event-stream"}
_KEY = "io.modelcontextprotocol"


@dataclass(frozen=True)
class Desk:
    """A project of its own on a server, with a token narrowed to it, so that no test minds another's sessions."""

    server: Server
    project_id: str
    token: str

    def new_token(self, projects: Sequence[str] | None = (), **words: Any) -> str:
        """Another token of the owner's: narrowed to this project, or to those given; None for all."""
        ids = None if projects is None else list(projects) or [self.project_id]
        return new_token(self.server, project_ids=ids, **words)

    def new_project(self, name: str) -> str:
        return new_project(self.server, name)

    def rows(self, project_id: str | None = None, **query: str) -> list[Json]:
        """All sessions that the list shows, ended ones included, unless `query` says otherwise."""
        words = "&".join(f"{name}={value}" for name, value in ({"active": "false"} | query).items())
        path = f"/api/projects/{project_id or self.project_id}/agent-sessions?{words}"
        answer = self.server.call("GET", path, token=self.server.owner_token)
        assert answer.status == 200, answer.body
        rows: list[Json] = answer.json["sessions"]
        return rows

    def row(self, session_id: str) -> Json:
        answer = self.server.call("GET", f"/api/agent-sessions/{session_id}", token=self.server.owner_token)
        assert answer.status == 200, answer.body
        row: Json = answer.json
        return row

    def tell(self, session: str, kind: str, **words: Any) -> Json:
        """A hook's event, as `POST /agent-events` takes it, of this token's client."""
        at = datetime.now(UTC).isoformat()
        event = {"id": f"{kind}-{time.monotonic_ns()}", "kind": kind, "at": at, "session": session, **words}
        body = {"sent_at": at, "project_id": self.project_id, "caller_origin": "claude-code", "events": [event]}
        answer = self.server.call("POST", "/api/agent-events", token=self.token, json=body)
        assert answer.status == 200, answer.body
        [result] = answer.json["results"]
        assert result["status"] == "accepted", result
        return dict(result)

    def client(self, era: str = MODERN, name: str = "claude-code", **headers: str) -> Client:
        """A client with this desk's token; an underscore in a header's name stands for a hyphen."""
        return Client(self.server.port, self.token, era, name, {k.replace("_", "-"): v for k, v in headers.items()})


def new_project(server: Server, name: str) -> str:
    answer = server.call("POST", "/api/projects", token=server.owner_token, json={"name": name})
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def new_token(server: Server, **words: Any) -> str:
    answer = server.call("POST", "/api/tokens", token=server.owner_token, json={"name": "t", **words})
    assert answer.status == 201, answer.body
    return str(answer.json["token"])


@dataclass
class Client:
    """One client process. `wire` is its Mcp-Session-Id, where it has one."""

    port: int
    token: str
    era: str
    name: str = "claude-code"
    headers: Mapping[str, str] = field(default_factory=dict)
    version: str = "2.1.0"
    wire: str | None = None
    sent: int = 0

    @property
    def info(self) -> Json:
        return {"name": self.name, "version": self.version}

    def message(self, method: str, params: Json | None = None, meta: Json | None = None) -> Json:
        """A request as this era has it; a notification has no id."""
        meta = dict(meta or {})
        if self.era == MODERN:
            meta |= {
                f"{_KEY}/protocolVersion": MODERN,
                f"{_KEY}/clientInfo": self.info,
                f"{_KEY}/clientCapabilities": {},
            }
        self.sent += 1
        whole = {"jsonrpc": "2.0", "id": self.sent, "method": method, "params": {**(params or {}), "_meta": meta}}
        if method.startswith("notifications/"):
            del whole["id"]
        return whole

    def header(self, message: Json) -> dict[str, str]:
        own = {**ACCEPT, "Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        if message.get("method") != "initialize":
            own["MCP-Protocol-Version"] = self.era
        if self.wire is not None:
            own["Mcp-Session-Id"] = self.wire
        if self.era == MODERN and "method" in message:
            own["Mcp-Method"] = message["method"]
            if "name" in message["params"]:
                own["Mcp-Name"] = message["params"]["name"]
        return {**own, **self.headers}

    def post(self, message: Json, **headers: str) -> Answer:
        more = {k.replace("_", "-"): v for k, v in headers.items()}
        body = json.dumps(message).encode()
        return ask(self.port, "POST", "/mcp", body=body, headers={**self.header(message), **more}, timeout=30)

    def request(self, method: str, params: Json | None = None, meta: Json | None = None, **headers: str) -> Json:
        """The result of a request that must succeed."""
        answer = self.post(self.message(method, params, meta), **headers)
        assert answer.status == 200, answer.body
        assert "result" in answer.json, answer.json
        result: Json = answer.json["result"]
        return result

    def initialize(self) -> str:
        """The handshake of the 2025 revisions; the wire id that it minted."""
        params = {"protocolVersion": self.era, "capabilities": {}, "clientInfo": self.info}
        answer = self.post(self.message("initialize", params))
        assert answer.status == 200, answer.body
        assert answer.json["result"]["protocolVersion"] == self.era
        self.wire = answer.headers["Mcp-Session-Id"]
        assert self.wire is not None
        assert self.post(self.message("notifications/initialized")).status == 202
        return self.wire

    def started(self) -> Client:
        """After whatever this era does before its first tool call."""
        if self.era == MODERN:
            self.request("server/discover")
        else:
            self.initialize()
        return self

    def result(self, tool: str, arguments: Json | None = None, meta: Json | None = None, **headers: str) -> Json:
        """A tool's whole answer, an error included."""
        return self.request("tools/call", {"name": tool, "arguments": arguments or {}}, meta, **headers)

    def call(self, tool: str, arguments: Json | None = None, meta: Json | None = None, **headers: str) -> Json:
        """What a tool answers; the text says the same as the structure."""
        result = self.result(tool, arguments, meta, **headers)
        assert not result.get("isError"), result
        structure: Json = result["structuredContent"]
        assert json.loads(result["content"][0]["text"]) == structure
        return structure

    def refused(self, tool: str, arguments: Json | None = None, meta: Json | None = None, **headers: str) -> str:
        """Why a tool does not do it."""
        result = self.result(tool, arguments, meta, **headers)
        assert result["isError"], result
        return str(result["content"][0]["text"])

    def whoami(self, meta: Json | None = None, **headers: str) -> str:
        return str(self.call("whoami", None, meta, **headers)["session_id"])

    def hang_up(self) -> int:
        header = self.header({"method": "", "params": {}})
        return ask(self.port, "DELETE", "/mcp", headers=header).status

    def listening(self) -> Json:
        """The listen request of 2026-07-28."""
        return self.message("subscriptions/listen", {"notifications": {"toolsListChanged": True}})

    @contextmanager
    def stream(self, message: Json | None = None) -> Iterator[Stream]:
        """This era's presence stream, opened and past its answer's head."""
        if self.era == MODERN:
            message = message or self.listening()
            head = f"POST /mcp HTTP/1.1\r\n{_lines(self.header(message))}"
            body = json.dumps(message).encode()
            opening = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        else:
            header = {**self.header({"method": "", "params": {}}), "Accept": "text/event-stream"}
            opening = f"GET /mcp HTTP/1.1\r\n{_lines(header)}\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(opening)
            stream = Stream(connection)
            stream.until(b"\r\n\r\n")
            yield stream


@dataclass
class Stream:
    """An open stream and what came on it."""

    connection: socket.socket
    came: bytes = b""

    @property
    def status(self) -> int:
        return int(self.came.split(b" ", 2)[1])

    def until(self, wanted: bytes, seconds: float = 10) -> bytes:
        """Read until `wanted` has come; the end of the stream or of patience is a failure."""
        end = time.monotonic() + seconds
        while wanted not in self.came:
            self.connection.settimeout(max(0.01, end - time.monotonic()))
            chunk = self.connection.recv(65536)
            assert chunk, f"the stream ended without {wanted!r}: {self.came!r}"
            self.came += chunk
        return self.came

    def message(self, seconds: float = 10) -> Json:
        """The first JSON-RPC message on it."""
        text = self.until(b"data: {", seconds).partition(b"data: ")[2]
        while b"\n\n" not in text:
            self.came += self.connection.recv(65536)
            text = self.came.partition(b"data: ")[2]
        message: Json = json.loads(text.partition(b"\n\n")[0])
        return message


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in {"Host": "127.0.0.1", **headers}.items())


def eventually(look: Callable[[], T], holds: Callable[[T], bool], seconds: float = 10) -> T:
    """Look until it holds, and answer what was seen; the last look is a failure."""
    end = time.monotonic() + seconds
    while not holds(seen := look()):
        assert time.monotonic() < end, seen
        time.sleep(0.1)
    return seen
