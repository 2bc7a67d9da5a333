"""Tool calls as clients send them every day, answered without the SDK, most of whose work is for other messages.

What is unusual in any way is not plain and goes to the SDK, which gives the same answer to the same call
(tests/mcp/test_plain.py compares them).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from onduty.mcp.shapes import INPUTS
from onduty.mcp.tools import Answered

MODERN: Final = "2026-07-28"
_HANDSHAKE: Final = frozenset({None, b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25"})
_ACCEPTS: Final = frozenset({b"application/json, text/event-stream", b"text/event-stream, application/json"})
_MEMBERS: Final = frozenset({"jsonrpc", "id", "method", "params"})
_PARAMS: Final = frozenset({"name", "arguments", "_meta"})
_OURS: Final = "io.modelcontextprotocol/"
_VERSION: Final = f"{_OURS}protocolVersion"
_CLIENT: Final = f"{_OURS}clientInfo"
_CAPABILITIES: Final = f"{_OURS}clientCapabilities"
_ENVELOPE: Final = frozenset({_VERSION, _CLIENT, _CAPABILITIES})
_MOST: Final = 2**53


class ToolCall(NamedTuple):
    """A plain `tools/call`."""

    id: int | str
    name: str
    arguments: dict[str, Any]
    meta: dict[str, Any]
    is_modern: bool


def plain_call(headers: Mapping[bytes, bytes], body: bytes) -> ToolCall | None:
    """The tool call that a POST's body is, None where there is anything unusual about it or its headers."""
    if headers.get(b"content-type") != b"application/json" or headers.get(b"accept") not in _ACCEPTS:
        return None
    try:
        message = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.keys() != _MEMBERS:
        return None
    params = message["params"]
    if message["jsonrpc"] != "2.0" or message["method"] != "tools/call" or not isinstance(params, dict):
        return None
    name, arguments, meta = params.get("name"), params.get("arguments", {}), params.get("_meta", {})
    if not (params.keys() <= _PARAMS and name in INPUTS and isinstance(arguments, dict) and isinstance(meta, dict)):
        return None
    if not (_is_id(message["id"]) and _is_id(meta.get("progressToken", 0))):
        return None
    version = headers.get(b"mcp-protocol-version")
    if version in _HANDSHAKE:
        return ToolCall(message["id"], name, arguments, meta, False)
    if version == MODERN.encode() and _is_enveloped(headers, name, meta):
        return ToolCall(message["id"], name, arguments, meta, True)
    return None


def _is_id(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST)


def _is_enveloped(headers: Mapping[bytes, bytes], name: str, meta: Mapping[str, Any]) -> bool:
    """Whether a call of 2026-07-28 says the same in its headers and its `_meta`, there no more than usual."""
    if headers.get(b"mcp-method") != b"tools/call" or headers.get(b"mcp-name") != name.encode():
        return False
    if any(header.startswith(b"mcp-param-") for header in headers) or meta.get(_VERSION) != MODERN:
        return False
    if any(key.startswith(_OURS) and key not in _ENVELOPE for key in meta):
        return False
    return _is_known(msgspec.json.encode({key: meta[key] for key in (_CLIENT, _CAPABILITIES) if key in meta}))


@lru_cache(maxsize=1024)
def _is_known(who: bytes) -> bool:
    """Whether the SDK takes what a client says of itself; the same client says the same each time."""
    from mcp_types.methods import validate_client_request
    from pydantic import ValidationError

    meta = {_VERSION: MODERN, **msgspec.json.decode(who)}
    if not meta.keys() >= _ENVELOPE:
        return False
    try:
        validate_client_request("tools/call", MODERN, {"name": "whoami", "_meta": meta})
    except ValidationError:
        return False
    return True


def plain_answer(call: ToolCall, answered: Answered, stamp: Mapping[str, Any]) -> bytes:
    """The answer's body. `stamp` says which server this is, which answers of 2026-07-28 carry."""
    result: dict[str, Any] = {
        "content": [{"type": "text", "text": answered.text}],
        "isError": answered.structure is None,
    }
    if answered.structure is not None:
        result["structuredContent"] = answered.structure
    if call.is_modern:
        result |= {"resultType": "complete", "_meta": {f"{_OURS}serverInfo": stamp}}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": call.id, "result": result})
