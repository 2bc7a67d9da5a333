"""The MCP endpoint's own layer: it says who asks and over which wire id, mints and retires those, and answers the
presence streams itself; everything else goes to the SDK, which keeps nothing between two requests.

Streamable HTTP of the 2025 revisions and of 2026-07-28, on one URL
(modelcontextprotocol.io/specification, basic/transports).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

from onduty.answers import JSON, Headers, Message, Receive, Scope, Send, answer, read_body
from onduty.background import Background
from onduty.cleaning import NAME, REF, VERSION, clean, slug, text
from onduty.clock import Clock
from onduty.errors import MethodNotAllowed, NotAcceptable, NotFound, RateLimited, TooLarge, Unsupported
from onduty.identity.service import Identity, Principal
from onduty.limits import Limits
from onduty.mcp.arriving import Arriving, Call
from onduty.mcp.model import Wire
from onduty.mcp.plain import plain_answer, plain_call
from onduty.mcp.sdk import Sdk
from onduty.mcp.streams import SSE, Streams
from onduty.mcp.tools import Tools

BODY_BYTES: Final = 4 * 1024 * 1024
METHODS: Final = ("GET", "HEAD", "POST", "DELETE")
HANDSHAKE_VERSIONS: Final = frozenset({b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25"})
_CLIENT: Final = "io.modelcontextprotocol/clientInfo"
_NO_WIRE: Final = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}}


@dataclass(slots=True)
class Layer:
    """The endpoint, as a plain ASGI callable."""

    identity: Identity
    limits: Limits
    clock: Clock
    arriving: Arriving
    streams: Streams
    background: Background
    tools: Tools = field(init=False)
    sdk: Sdk = field(init=False)

    def __post_init__(self) -> None:
        self.tools = Tools(self.arriving)
        self.sdk = Sdk(self.tools, self.background)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in METHODS:
            raise MethodNotAllowed(METHODS)
        headers = _headers(scope)
        now = self.clock.now()
        address = scope.get("onduty.address", "")
        principal = self.identity.authenticate(headers.get(b"authorization"), now, address)
        if wait := self.limits.take(principal.token_id, now):
            raise RateLimited(wait)
        is_modern = headers.get(b"mcp-protocol-version", b"2025-03-26") not in HANDSHAKE_VERSIONS
        call = Call(principal, now, _machine(headers, principal), None, "", None, named=_named(headers))
        call.asked = self.arriving.projects.named_first(principal, *_projects(scope, headers))
        wire_id = headers.get(b"mcp-session-id")
        if wire_id is not None and not is_modern:
            call.wire = await self.arriving.wires.find(principal, wire_id.decode("latin-1"), now)
            if call.wire is None:
                await _no_wire(send)
                return
            self._of_wire(call, call.wire, headers)
        if scope["method"] == "HEAD":
            await answer(send, 200, SSE)
        elif scope["method"] == "POST":
            await self._post(scope, receive, send, call, headers)
        elif scope["method"] == "GET":
            await self._get(headers, receive, send, call)
        else:
            await self._delete(send, call)

    def _of_wire(self, call: Call, wire: Wire, headers: Mapping[bytes, bytes]) -> None:
        call.client_name, call.client_version = wire.client_name, wire.client_version
        if b"onduty-machine" not in headers:
            call.machine_id = wire.machine_id

    async def _post(
        self, scope: Scope, receive: Receive, send: Send, call: Call, headers: Mapping[bytes, bytes]
    ) -> None:
        length = headers.get(b"content-length", b"0")
        body = None if length.isdigit() and int(length) > BODY_BYTES else await read_body(receive, BODY_BYTES)
        if body is None:
            raise TooLarge(BODY_BYTES)
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise Unsupported("The body must not be compressed")
        is_repeated = len(headers) < len(scope["headers"])
        if not is_repeated and await self._answer_plainly(send, call, headers, body):
            return
        message = _message(body)
        params = _part(message, "params")
        meta = _part(params, "_meta")
        call.meta = meta
        if call.wire is None:
            _tell_client(call, meta.get(_CLIENT) or params.get("clientInfo"))
        scope["onduty.call"] = call
        if message.get("method") == "subscriptions/listen":
            await self.sdk.ready()
            if await self.streams.listen(scope, message, receive, send, call):
                return
        if message.get("method") == "initialize" and call.wire is None:
            send = await self._minting(send, call)
        await self.sdk(scope, _replayed(body, receive), send)

    async def _answer_plainly(self, send: Send, call: Call, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Answer a plain tool call. False, and nothing done, for all else, and as long as the SDK does not run."""
        plain = None if self.sdk.stamp is None else plain_call(headers, body)
        if plain is None or self.sdk.stamp is None:
            return False
        call.meta = plain.meta
        if call.wire is None:
            _tell_client(call, plain.meta.get(_CLIENT))
        answered = await self.tools.answer(call, plain.name, plain.arguments)
        await answer(send, 200, [JSON], plain_answer(plain, answered, self.sdk.stamp))
        return True

    async def _minting(self, send: Send, call: Call) -> Send:
        """The answer of a successful `initialize` carries a new wire id; it is stored before."""
        added: Headers = []

        async def mint(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                client = (call.client_name, call.client_version)
                wires = self.arriving.wires
                wire = await wires.mint(call.principal, call.machine_id, call.asked, client, call.now)
                added.append((b"mcp-session-id", wire.id.encode()))
                message["headers"] = [*message["headers"], *added]
            await send(message)

        return mint

    async def _get(self, headers: Mapping[bytes, bytes], receive: Receive, send: Send, call: Call) -> None:
        if b"text/event-stream" not in headers.get(b"accept", b""):
            raise NotAcceptable
        await self.streams.get(receive, send, call)

    async def _delete(self, send: Send, call: Call) -> None:
        if call.wire is None:
            raise NotFound("There is no such session")
        await self.arriving.hang_up(call.wire, self.streams.presence.is_held_beside)
        self.streams.presence.leave(call.wire)
        await answer(send, 204, ())


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """The headers by name; white space round the values of `Mcp-*` goes, which httptools leaves there."""
    stripped = [(name, value.strip(b" \t") if name.startswith(b"mcp-") else value) for name, value in scope["headers"]]
    scope["headers"] = stripped
    return dict(stripped)


def _machine(headers: Mapping[bytes, bytes], principal: Principal) -> str:
    named = headers.get(b"onduty-machine", b"").decode("utf-8", "replace")
    return (slug(named, "Onduty-Machine") if named else "") or principal.machine


def _named(headers: Mapping[bytes, bytes]) -> str | None:
    named = headers.get(b"onduty-session", b"").decode("latin-1")
    return text(named, "Onduty-Session", REF) or None


def _projects(scope: Scope, headers: Mapping[bytes, bytes]) -> tuple[str | None, str | None]:
    query = parse_qs(scope["query_string"].decode("latin-1")).get("project", [None])
    header = headers.get(b"onduty-project")
    return (None if header is None else header.decode("utf-8", "replace")), query[0]


def _message(body: bytes) -> dict[str, Any]:
    """The JSON-RPC message, {} where it is none: the SDK says then what is wrong with it."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _part(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = message.get(name)
    return part if isinstance(part, dict) else {}


def _tell_client(call: Call, info: object) -> None:
    if not isinstance(info, dict):
        return
    name, version = info.get("name"), info.get("version")
    call.client_name = clean(name)[:NAME] if isinstance(name, str) else ""
    call.client_version = (clean(version)[:VERSION] or None) if isinstance(version, str) else None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, and then what the client does."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _no_wire(send: Send) -> None:
    body = json.dumps(_NO_WIRE).encode()
    await answer(send, 404, [(b"content-type", b"application/json")], body)
