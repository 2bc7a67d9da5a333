"""The presence streams of both eras: GET of the 2025 revisions, `subscriptions/listen` of 2026-07-28.

The SDK's own refuse the 1 025th, cost 60 kB each and keep a process from leaving.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from onduty.answers import Message, Receive, Scope, Send, header
from onduty.mcp.arriving import Arriving, Call
from onduty.sessions.presence import PING, Presence
from onduty.sessions.service import AgentSession

SSE: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
_SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
# Of all that a client may listen for we have tools, and those never change.
_HONOURED: Final = ("toolsListChanged",)


@dataclass(slots=True)
class Streams:
    arriving: Arriving
    presence: Presence

    async def get(self, receive: Receive, send: Send, call: Call) -> None:
        """Answer a GET: a stream on which nothing but our pings ever comes."""
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        await _write(send, b"retry: 5000\n: open\n\n")
        await self._hold(receive, send, call)
        await send({"type": "http.response.body", "body": b""})

    async def listen(self, scope: Scope, message: Mapping[str, Any], receive: Receive, send: Send, call: Call) -> bool:
        """Answer a sound `subscriptions/listen`: acknowledge first, then hold. False where the SDK is to refuse it.

        At our own leaving the request gets its result, which tells the client that this end was meant.
        """
        if not await self._is_sound(scope, message):
            return False
        subscription = {_SUBSCRIPTION: message["id"]}
        asked = message["params"]["notifications"]
        honoured = {name: True for name in _HONOURED if asked.get(name) is True}
        acknowledged = {
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {"_meta": subscription, "notifications": honoured},
        }
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        await _write(send, _event(acknowledged))
        if await self._hold(receive, send, call):
            result = {"resultType": "complete", "_meta": subscription}
            await _write(send, _event({"jsonrpc": "2.0", "id": message["id"], "result": result}))
        await send({"type": "http.response.body", "body": b""})
        return True

    async def _is_sound(self, scope: Scope, message: Mapping[str, Any]) -> bool:
        from onduty.mcp.sdk import is_sound_listen

        accept = header(scope, b"accept") or b""
        return b"text/event-stream" in accept and is_sound_listen(dict(message), scope["headers"])

    async def _hold(self, receive: Receive, send: Send, call: Call) -> bool:
        """Hold the session of the stream's client; whether it was the server that left."""
        records = self.arriving.may_record(call)
        claim = (lambda: self.arriving.claim(call)) if records else None
        client = call.wire or call

        def allowed() -> bool:
            now = self.presence.clock.now()
            return self.arriving.may_listen(call, now) and self.arriving.may_record(call) == records

        return await self.presence.hold(claim, _gone(receive), _pinging(send, call), client, allowed)


def _gone(receive: Receive) -> Callable[[], Awaitable[None]]:
    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return gone


def _pinging(send: Send, call: Call) -> Callable[[AgentSession | None], Awaitable[None]]:
    async def ping(session: AgentSession | None) -> None:
        if call.wire is not None:
            call.wire.held = None if session is None else session.id
        await _write(send, PING)

    return ping


def _event(message: Mapping[str, Any]) -> bytes:
    return b"event: message\ndata: " + json.dumps(message, separators=(",", ":")).encode() + b"\n\n"


async def _write(send: Send, body: bytes) -> None:
    message: Message = {"type": "http.response.body", "body": body, "more_body": True}
    await send(message)
