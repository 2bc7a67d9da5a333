"""A client that a generator makes of the document, without a line of ours in it, speaks to a real server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.openapi.tools import HERE, environment, generate
from tests.serving import Server

_SECONDS = 60


def test_a_generated_client_tells_a_whole_story(server: Server, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(server.call("GET", "/api/openapi.json", token=None).body)
    generate(document, tmp_path / "client")
    done = subprocess.run(
        [str(environment() / "python"), str(HERE / "drive.py"), server.url, server.owner_token],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    name = server.call("GET", "/api/me", token=server.owner_token).json["name"]
    assert found == {
        "name": name,
        "projects": found["projects"],
        "registered": [201, 200, True],
        "acted": 204,
        "said": "hello",
        "events": ["accepted"],
        "active": [["working", "turn", "backend"]],
        "ended": 204,
        "refused": ["ENDED", "This agent session has ended"],
        "kept": [["ended", "deleted"]],
        "one": "ended",
    }
    assert "generated" in found["projects"]
