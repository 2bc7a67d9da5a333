"""The official MCP SDK by itself, stateless, answering JSON: one tool that answers what it was told on stdin."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, TextContent, Tool

from onduty.mcp.shapes import INPUTS, OUTPUTS

_NAME = "whoami"


def server_of(payload: Mapping[str, Any]) -> Server[Any]:
    said = json.dumps(payload, separators=(",", ":"))

    async def list_tools(_: Any, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name=_NAME, input_schema=INPUTS[_NAME], output_schema=OUTPUTS[_NAME])])

    async def call_tool(_: Any, __: CallToolRequestParams) -> CallToolResult:
        return CallToolResult(content=[TextContent(text=said)], structured_content=dict(payload))

    return Server(
        "onduty",
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=INPUTS.get,
    )


def serve(payload: Mapping[str, Any], port: int) -> None:
    manager = StreamableHTTPSessionManager(server_of(payload), json_response=True, stateless=True)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with manager.run():
            yield

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await manager.handle_request(scope, receive, send)
            return
        await receive()
        async with running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    # As Onduty has it: its log lines would cost more than the call.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    serve(json.loads(sys.stdin.readline()), int(sys.argv[1]))
