"""A plain tool call and the SDK's answer to it are the same; what is unusual is left to the SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import pytest

from onduty.mcp.plain import plain_call
from tests.inside import Inside, Request, Still, Told, furnish, opened

_PLAIN: Final = b"application/json, text/event-stream"
# Means the same, and is not what clients send.
_ODD: Final = b"application/json, text/event-stream, text/plain"
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "claude-code", "title": "Claude Code", "version": "2.1.330"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "roots": {"listChanged": True}},
    "claudecode/toolUseId": "toolu_1",
}
_OLD: Final = {"mcp-protocol-version": "2025-11-25"}
_NEW: Final = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "whoami"}

Headers = Mapping[str, str | None]


def body(params: Any = None, **members: Any) -> bytes:
    told = {"name": "whoami", "arguments": {}, "_meta": _META} if params is None else params
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": told, **members}
    return json.dumps({name: value for name, value in message.items() if value is not ...}).encode()


def call(name: str = "whoami", arguments: Any = (), meta: Mapping[str, Any] = MappingProxyType({})) -> bytes:
    """A tool call; what is `...` in its `_meta` is not there."""
    told = {key: value for key, value in {**_META, **meta}.items() if value is not ...}
    return body({"name": name, "arguments": {} if arguments == () else arguments, "_meta": told})


def named(name: str) -> Headers:
    return {**_NEW, "mcp-name": name}


_USUAL: Final[dict[str, tuple[Headers, bytes]]] = {
    "2026": (_NEW, body()),
    "2026, progress": (_NEW, call(meta={"progressToken": 7})),
    "2026, progress as text": (_NEW, call(meta={"progressToken": "p"})),
    "2026, no client": (_NEW, call(meta={"io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"}})),
    "2026, text id": (_NEW, body(id="one")),
    "2026, status": (named("set_status"), call("set_status", {"said": "ünï 😀", "caller_role": "qa", "branch": None})),
    "2026, refused": (named("set_status"), call("set_status", {"said": 5})),
    "2026, unknown session": (_NEW, call(arguments={"session": "nobody"})),
    "2026, who": (named("who_is_on_duty"), call("who_is_on_duty")),
    "2025": (_OLD, body({"name": "whoami", "arguments": {}})),
    "2025, June": ({"mcp-protocol-version": "2025-06-18"}, body({"name": "whoami"})),
    "2025, no version": ({}, body({"name": "whoami", "arguments": {}, "_meta": {"progressToken": 3}})),
    "2025, who": (_OLD, body({"name": "who_is_on_duty", "arguments": {}})),
    "2025, refused": (_OLD, body({"name": "use_project", "arguments": {"project": "nowhere"}})),
}
_UNUSUAL: Final[dict[str, tuple[Headers, bytes]]] = {
    "null id": (_NEW, body(id=None)),
    "no id": (_NEW, body(id=...)),
    "true id": (_NEW, body(id=True)),
    "broken id": (_NEW, body(id=1.5)),
    "huge id": (_NEW, body(id=2**70)),
    "other version of JSON-RPC": (_NEW, body(jsonrpc="1.0")),
    "another member": (_NEW, body(more=1)),
    "another method": ({**_NEW, "mcp-method": "ping"}, body(method="ping")),
    "another method, 2025": (_OLD, body({}, method="ping")),
    "no such tool": (named("no_tool"), call("no_tool")),
    "no such tool, 2025": (_OLD, body({"name": "no_tool", "arguments": {}})),
    "no name": (_OLD, body({"arguments": {}})),
    "name that is no text": (_OLD, body({"name": 5})),
    "arguments are null": (_NEW, call(arguments=None)),
    "arguments are a list": (_OLD, body({"name": "whoami", "arguments": [1]})),
    "another parameter": (_NEW, body({"name": "whoami", "arguments": {}, "_meta": _META, "task": {"ttl": 1}})),
    "meta is null": (_OLD, body({"name": "whoami", "_meta": None})),
    "meta is text": (_NEW, body({"name": "whoami", "_meta": "x"})),
    "progress true": (_NEW, call(meta={"progressToken": True})),
    "progress broken": (_OLD, body({"name": "whoami", "_meta": {"progressToken": 1.5}})),
    "no capabilities": (_NEW, call(meta={"io.modelcontextprotocol/clientCapabilities": ...})),
    "capabilities are a list": (_NEW, call(meta={"io.modelcontextprotocol/clientCapabilities": []})),
    "capabilities are wrong": (_NEW, call(meta={"io.modelcontextprotocol/clientCapabilities": {"roots": 5}})),
    "no client": (_NEW, call(meta={"io.modelcontextprotocol/clientInfo": ...})),
    "client without version": (_NEW, call(meta={"io.modelcontextprotocol/clientInfo": {"name": "x"}})),
    "client's name is a number": (_NEW, call(meta={"io.modelcontextprotocol/clientInfo": {"name": 5, "version": "1"}})),
    "log level": (_NEW, call(meta={"io.modelcontextprotocol/logLevel": "debug"})),
    "wrong log level": (_NEW, call(meta={"io.modelcontextprotocol/logLevel": 5})),
    "versions differ": (_NEW, call(meta={"io.modelcontextprotocol/protocolVersion": "2025-11-25"})),
    "unknown version": ({**_NEW, "mcp-protocol-version": "2099-01-01"}, body()),
    "names differ": (named("set_status"), body()),
    "no name header": ({**_NEW, "mcp-name": None}, body()),
    "methods differ": ({**_NEW, "mcp-method": "tools/list"}, body()),
    "parameter in a header": ({**_NEW, "mcp-param-x": "1"}, body()),
    "batch": (_NEW, b"[" + body() + b"]"),
    "no JSON": (_NEW, b"{"),
    "nothing": (_OLD, b""),
    "NaN": (_OLD, b'{"jsonrpc":"2.0","id":NaN,"method":"tools/call","params":{"name":"whoami"}}'),
    "no UTF-8": (_OLD, b'{"jsonrpc":"2.0","id":"\xff","method":"tools/call","params":{"name":"whoami"}}'),
    "deep": (_OLD, b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "other type": ({**_OLD, "content-type": "text/plain"}, body({"name": "whoami"})),
}


def sent(inside: Inside, who: str, headers: Headers, body: bytes, accept: bytes) -> Request:
    told = {
        "authorization": f"Bearer {inside.tokens[who]}",
        "content-type": "application/json",
        "onduty-project": inside.project_id,
        "content-length": str(len(body)),
        **headers,
    }
    pairs = [(name.encode(), value.encode()) for name, value in told.items() if value is not None]
    return Request("POST", "/mcp", b"", (*pairs, (b"accept", accept)), body)


def shown(told: Told) -> tuple[int, set[tuple[bytes, bytes]], Any]:
    """What a client makes of an answer: how the JSON is written is nobody's business."""
    kept = {(n.lower(), v) for n, v in told.headers if n.lower() not in (b"x-request-id", b"content-length")}
    try:
        return told.status, kept, json.loads(told.body)
    except ValueError:
        return told.status, kept, told.body


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    """Each call's two answers, the plain way where that takes it and the SDK's, by its name and who called."""

    async def both() -> dict[str, tuple[Any, Any]]:
        path, clock = tmp_path_factory.mktemp("plain") / "onduty.sqlite3", Still()
        found = {}
        async with opened(path, clock, *await furnish(path, clock)) as inside:
            # The SDK is there from the first call on.
            await inside.ask(sent(inside, "Bob", _NEW, body(), _ODD))
            for who in ("Bob", "Vera", "read-only"):
                for name, (headers, told) in {**_USUAL, **_UNUSUAL}.items():
                    first, second = [
                        shown(await inside.ask(sent(inside, who, headers, told, accept))) for accept in (_PLAIN, _ODD)
                    ]
                    found[f"{who}: {name}"] = (first, second)
        return found

    return asyncio.run(both())


def test_both_ways_give_the_same_answer(answers: dict[str, tuple[Any, Any]]) -> None:
    assert len(answers) == 3 * (len(_USUAL) + len(_UNUSUAL))
    for name, (plain, sdk) in answers.items():
        assert plain == sdk, name


def test_tools_answer_and_refuse_the_plain_way_too(answers: dict[str, tuple[Any, Any]]) -> None:
    assert answers["Bob: 2026"][0][2]["result"]["structuredContent"]["machine_id"] == "laptop"
    assert answers["Bob: 2026, refused"][0][2]["result"]["isError"]
    assert answers["Vera: 2026, status"][0][2]["result"]["isError"]


@pytest.mark.parametrize("name", _USUAL)
def test_what_clients_send_is_plain(name: str) -> None:
    assert _taken(*_USUAL[name])


@pytest.mark.parametrize("name", _UNUSUAL)
def test_what_is_unusual_is_left_to_the_sdk(name: str) -> None:
    assert not _taken(*_UNUSUAL[name])


def _taken(headers: Headers, told: bytes) -> bool:
    named = {"content-type": "application/json", "accept": _PLAIN.decode(), **headers}
    return plain_call({n.encode(): v.encode() for n, v in named.items() if v is not None}, told) is not None
