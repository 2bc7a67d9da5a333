"""The official SDK's client in each revision, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from tests.mcp.speaking import ERAS, LATE, MODERN, OLD, Desk, eventually
from tests.mcp.test_endpoint import EVERY, READING

INFO = types.Implementation(name="sdk-client", version="9.9")
Story = Callable[[ClientSession], Awaitable[None]]


class Older(ClientSession):
    """Speaks 2025-06-18: it offers that, where the SDK itself always offers its newest."""

    async def initialize(self) -> types.InitializeResult:
        params = types.InitializeRequestParams(
            protocol_version=OLD, capabilities=types.ClientCapabilities(), client_info=INFO
        )
        result = await self.send_request(types.InitializeRequest(params=params), types.InitializeResult)
        self.adopt(result)
        await self.send_notification(types.InitializedNotification())
        return result


@asynccontextmanager
async def connected(desk: Desk, era: str, token: str) -> AsyncIterator[ClientSession]:
    url = f"{desk.server.url}/mcp"
    async with create_mcp_http_client({"Authorization": f"Bearer {token}"}) as http:
        transport = streamable_http_client(url, http_client=http)
        if era == OLD:
            async with transport as (reads, writes), Older(reads, writes, client_info=INFO) as session:
                await session.initialize()
                yield session
        else:
            mode = "legacy" if era == LATE else "auto"
            async with Client(transport, mode=mode, client_info=INFO, read_timeout_seconds=10) as client:
                yield client.session


def run(desk: Desk, era: str, story: Story, token: str | None = None) -> None:
    async def whole() -> None:
        async with connected(desk, era, token or desk.token) as session:
            assert session.protocol_version == era
            await story(session)

    asyncio.run(whole())


async def call(session: ClientSession, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers; the SDK's client validates it against the tool's output schema."""
    result = await session.call_tool(tool, arguments)
    assert isinstance(result, types.CallToolResult)
    assert not result.is_error, result.content
    structure: dict[str, Any] | None = result.structured_content
    assert structure is not None
    return structure


@pytest.mark.parametrize("era", ERAS)
def test_every_tool_works_and_answers_by_its_schema(desk: Desk, era: str) -> None:
    async def story(session: ClientSession) -> None:
        listed = await session.list_tools()
        assert [tool.name for tool in listed.tools] == EVERY
        assert session.server_info is not None
        assert session.server_info.name == "onduty"
        mine = await call(session, "whoami")
        assert mine["state"] == "working"
        row = desk.row(mine["session_id"])
        assert (row["caller_origin"], row["client_version"]) == ("sdk-client", "9.9")
        await call(session, "set_status", caller_role="Lead engineer", said="x \u202e y", ticket="T-1", branch="a b")
        row = desk.row(mine["session_id"])
        assert (row["caller_role"], row["said"], row["ticket"]) == ("Lead engineer", "x y", "T-1")
        assert row["branch"] == "a-b"
        on_duty = await call(session, "who_is_on_duty")
        [agent] = on_duty["agents"]
        assert (agent["session_id"], agent["is_you"], agent["said"]) == (mine["session_id"], True, "x y")
        assert agent["caller_role"] == "other", "what is no plain word is not passed on to agents"
        assert on_duty["roles"] == {"other": 1}
        assert (await call(session, "set_status", said=None))["session_id"] == mine["session_id"]
        assert desk.row(mine["session_id"])["said"] is None
        assert (await call(session, "use_project", project=desk.project_id))["session_id"] == mine["session_id"]
        assert (await call(session, "end_session"))["state"] == "ended"

    run(desk, era, story)
    [row] = desk.rows()
    assert (row["state"], row["end_reason"]) == ("ended", "end_session")


@pytest.mark.parametrize("era", ERAS)
def test_a_tools_refusal_is_an_answer_and_not_the_end(desk: Desk, era: str) -> None:
    async def story(session: ClientSession) -> None:
        result = await session.call_tool("set_status", {"said": "x" * 121})
        assert isinstance(result, types.CallToolResult)
        assert result.is_error
        [content] = result.content
        assert isinstance(content, types.TextContent)
        assert content.text == "VALIDATION: said: must have at most 120 characters"
        assert (await call(session, "whoami"))["session_id"]

    run(desk, era, story)


@pytest.mark.parametrize("era", ERAS)
def test_a_token_that_only_reads_is_offered_what_reads(desk: Desk, era: str) -> None:
    async def story(session: ClientSession) -> None:
        assert [tool.name for tool in (await session.list_tools()).tools] == READING
        assert (await call(session, "whoami"))["session_id"] is None

    run(desk, era, story, desk.new_token(read_only=True))
    assert desk.rows() == []


@pytest.mark.parametrize("era", [OLD, LATE])
def test_it_is_seen_by_its_stream_and_ends_when_it_says_good_bye(desk: Desk, era: str) -> None:
    """The SDK's client opens the GET stream by itself, and deletes its wire id when it closes."""

    async def story(_: ClientSession) -> None:
        [row] = await asyncio.to_thread(eventually, desk.rows, bool)
        assert (row["state"], row["connected"], row["caller_origin"]) == ("idle", True, "sdk-client")

    run(desk, era, story)
    [row] = desk.rows()
    assert (row["state"], row["end_reason"], row["connected"]) == ("ended", "exit", False)


def test_a_client_that_listens_is_acknowledged_and_seen(desk: Desk) -> None:
    async def whole() -> None:
        async with create_mcp_http_client({"Authorization": f"Bearer {desk.token}"}) as http:
            transport = streamable_http_client(f"{desk.server.url}/mcp", http_client=http)
            async with Client(transport, mode=MODERN, client_info=INFO) as client:
                async with client.listen(tools_list_changed=True, prompts_list_changed=True) as subscription:
                    assert subscription.honored.tools_list_changed
                    assert not subscription.honored.prompts_list_changed
                    [row] = await asyncio.to_thread(eventually, desk.rows, bool)
                    assert (row["state"], row["connected"]) == ("idle", True)
                [row] = await asyncio.to_thread(eventually, desk.rows, lambda rows: not rows[0]["connected"])
                assert row["state"] == "idle"

    asyncio.run(whole())
