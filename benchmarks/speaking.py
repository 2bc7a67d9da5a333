"""What clients of both MCP eras say: the message, and the headers beside it."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from benchmarks.load import WIRE
from benchmarks.loading import request
from tests.asking import Answer
from tests.serving import Server

ERAS: Final = ("2025-11-25", "2026-07-28")
TOOL: Final = "whoami"
_CLIENT: Final = {"name": "claude-code", "version": "2.1.330"}
_META: Final = "io.modelcontextprotocol/"


class Said(NamedTuple):
    """One message of a client."""

    message: dict[str, Any]
    headers: dict[str, str]

    def raw(self, token: str, wire: str | None = None) -> str:
        """As it goes over the wire; without a wire id of its own, on the one that the load was given."""
        headers = {name: wire if wire and value == WIRE.decode() else value for name, value in self.headers.items()}
        return request("POST", "/mcp", token, json.dumps(self.message), headers)

    def to(self, server: Server) -> Answer:
        """Say it to a server."""
        return server.call("POST", "/mcp", json=self.message, headers=self.headers)


def initialize() -> Said:
    """How a client of the 2025 revisions begins."""
    params = {"protocolVersion": ERAS[0], "capabilities": {}, "clientInfo": _CLIENT}
    return _said("initialize", params, {})


def tool_call(era: str) -> Said:
    """A call of `whoami`. In 2025 on a wire id; in 2026 everything that is to be known stands in the message."""
    params: dict[str, Any] = {"name": TOOL, "arguments": {}}
    if era == ERAS[0]:
        return _said("tools/call", params, {"MCP-Protocol-Version": era, "Mcp-Session-Id": WIRE.decode()})
    params["_meta"] = {
        f"{_META}protocolVersion": era,
        f"{_META}clientInfo": _CLIENT,
        f"{_META}clientCapabilities": {},
    }
    headers = {"MCP-Protocol-Version": era, "Mcp-Method": "tools/call", "Mcp-Name": TOOL}
    return _said("tools/call", params, headers)


def _said(method: str, params: dict[str, Any], headers: dict[str, str]) -> Said:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Said(message, {"Accept": "application/json, text/event-stream", **headers})


def wire_id(server: Server) -> str:
    """A new wire id of a 2025 client."""
    answer = initialize().to(server)
    assert answer.status == 200, answer.body
    return str(answer.headers["Mcp-Session-Id"])
