"""Requests that the document allows and such that it forbids, by the thousand, made from the document alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.serving import Server, StartServer

ROOT = Path(__file__).resolve().parent.parent
_EXAMPLES = 200
_SECONDS = 600


def test_schemathesis_finds_nothing(start_server: StartServer, tmp_path: Path) -> None:
    """All phases, all checks, 200 examples an operation; `schemathesis_hooks` says what a schema cannot."""
    server = start_server(environment={"ONDUTY_RATE_LIMIT": "0"})
    made = server.call("POST", f"/api/projects/{server.project_id}/agent-sessions", json={"machine_id": "laptop"})
    # Signing out takes back the token that all requests come with: that operation comes last, alone.
    # A stream has no end.
    stream = ("--exclude-operation-id", "streamProjectAgentSessions")
    _finds_nothing(server, made.json["session_id"], tmp_path, "--exclude-operation-id", "signOut", *stream)
    _finds_nothing(server, made.json["session_id"], tmp_path, "--include-operation-id", "signOut")


def _finds_nothing(server: Server, session_id: str, folder: Path, *which: str) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/api/openapi.json"),
        *("--header", f"Authorization: Bearer {server.owner_token}", "--max-examples", str(_EXAMPLES)),
        # On a busy machine making requests may be slow, which says nothing about the server.
        *("--suppress-health-check", "all", "--no-color", *which),
    ]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks",
        "FUZZED_PORT": str(server.port),
        "FUZZED_TOKEN": server.owner_token,
        "FUZZED_PROJECT": server.project_id,
        "FUZZED_SESSION": session_id,
    }
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Examples" in done.stdout
    assert "Traceback" not in server.log.read_text()
