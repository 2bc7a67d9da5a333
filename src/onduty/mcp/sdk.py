"""The official SDK behind our layer: imported when first needed, stateless, in JSON mode, silent."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from onduty.answers import Application, Receive, Scope, Send
from onduty.background import Background
from onduty.mcp.tools import Tools


@dataclass(slots=True)
class Sdk:
    """Starts the SDK at the first request, and hands requests on."""

    tools: Tools
    background: Background
    # Which server this is, as its answers say; None until the SDK runs.
    stamp: dict[str, Any] | None = None
    _ready: "asyncio.Future[Application] | None" = field(default=None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self.ready()
        await app(scope, receive, send)

    async def ready(self) -> Application:
        """The SDK's own application, once it is imported and runs."""
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self.background.start("mcp", self._run)
        return await asyncio.shield(self._ready)

    async def _run(self) -> None:
        """Hold the SDK's session manager open for as long as the server runs."""
        ready, wake = self._ready, self.background.wake()
        assert ready is not None
        # A second of importing must not stand in the way of everybody else.
        manager = await asyncio.to_thread(_manager, self.tools)
        async with manager.run():
            self.stamp = manager.app.server_info_stamp
            ready.set_result(manager.handle_request)
            await wake.wait()


def _manager(tools: Tools) -> Any:
    # The SDK's log lines cost more than the call that they speak of.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from onduty.mcp.offering import server_of

    return StreamableHTTPSessionManager(server_of(tools), json_response=True, stateless=True)


def is_sound_listen(message: dict[str, Any], headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether it is a `subscriptions/listen` that the SDK would take: its envelope, its headers, its parameters."""
    from mcp.shared.inbound import InboundModernRoute, classify_inbound_request, find_duplicated_routing_header
    from mcp_types import JSONRPCRequest, SubscriptionsListenRequestParams
    from pydantic import ValidationError

    told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    if find_duplicated_routing_header(told) is not None:
        return False
    if not isinstance(classify_inbound_request(message, headers=dict(told)), InboundModernRoute):
        return False
    try:
        JSONRPCRequest.model_validate(message)
        SubscriptionsListenRequestParams.model_validate(message["params"])
    except ValidationError:
        return False
    return True
