"""The MCP conformance suite against a real server: the scenarios of both eras that speak of what it offers."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.agents.install import install, node
from tests.mcp.conformance.forwarder import forwarding
from tests.serving import Server

HERE = Path(__file__).resolve().parent
_PROGRAM = "@modelcontextprotocol/conformance/dist/index.js"
_SECONDS = 120.0

# They want a tool of the suite's own, `test_missing_capability`, that asks the client to sample. Ours ask nothing.
_WANT_A_FIXTURE = {"sep-2575-server-rejects-undeclared-capability", "sep-2575-missing-capability-http-400"}

SCENARIOS = [
    *(("2025-11-25", name) for name in ("server-initialize", "server-session-lifecycle", "ping")),
    *((revision, "tools-list") for revision in ("2025-11-25", "2026-07-28")),
    *((revision, "dns-rebinding-protection") for revision in ("2025-11-25", "2026-07-28")),
    *(("2026-07-28", name) for name in ("server-stateless", "caching", "http-header-validation")),
]


def _checks(server: Server, revision: str, scenario: str, folder: Path) -> list[dict[str, Any]]:
    """What the suite found, a check each."""
    modules = install(HERE)
    with forwarding(server.port, server.token) as port:
        command = [
            *(str(node(modules)), str(modules / _PROGRAM), "server", "--url", f"http://127.0.0.1:{port}/mcp"),
            *("--scenario", scenario, "--spec-version", revision, "--output-dir", str(folder)),
        ]
        env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=_SECONDS)
    found = list(folder.glob("*/checks.json"))
    assert len(found) == 1, f"{done.stdout}{done.stderr}"
    checks: list[dict[str, Any]] = json.loads(found[0].read_text())
    return checks


@pytest.mark.agents
@pytest.mark.parametrize(("revision", "scenario"), SCENARIOS)
def test_the_suite_finds_nothing(server: Server, revision: str, scenario: str, tmp_path: Path) -> None:
    checks = _checks(server, revision, scenario, tmp_path)
    failed = {check["id"]: check.get("errorMessage") for check in checks if check["status"] == "FAILURE"}
    assert {id: said for id, said in failed.items() if id not in _WANT_A_FIXTURE} == {}
    counted = Counter(check["status"] for check in checks)
    if scenario == "server-stateless":
        assert set(failed) == _WANT_A_FIXTURE
        assert counted["SUCCESS"] == 26
    assert counted["SUCCESS"] > 0
