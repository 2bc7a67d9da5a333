"""MCP Inspector's command line, another implementation's client, against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents.inspector import Era, Inspector
from tests.agents.install import ensure
from tests.mcp.speaking import Desk
from tests.mcp.test_endpoint import EVERY, READING

ERAS: tuple[Era, ...] = ("legacy", "modern", "auto")


@pytest.mark.agents
@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_lists_and_calls(desk: Desk, era: Era, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {desk.token}"}
    inspector = Inspector(ensure(), f"{desk.server.url}/mcp", tmp_path, headers, era)
    tools = inspector.tools()
    assert [tool["name"] for tool in tools] == EVERY
    assert [tool["name"] for tool in tools if tool["annotations"]["readOnlyHint"]] == READING
    assert desk.rows() == []
    mine = inspector.call("whoami")["structuredContent"]
    [row] = desk.rows()
    assert mine == {name: row[name] for name in ("session_id", "project_id", "machine_id", "user_id", "state")}
    assert (row["caller_origin"], row["client_version"]) == ("inspector-cli", "2.12.0")
    assert inspector.call("set_status", {"said": 7})["isError"]
