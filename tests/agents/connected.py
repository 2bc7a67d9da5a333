"""Claude Code in a scratch home full of other things, connected by `onduty connect`, with a server and a model."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.agents.claude import Claude
from tests.agents.scripted_model import ScriptedModel
from tests.serving import Server

# As a person wrote them: four spaces, CRLF nowhere, an empty line, keys in no order.
SETTINGS = """{
    "env": { "FOO" : "bar" },

    "hooks": {
        "Stop": [
            {"hooks": [ {"type":"command","command":"true"} ]}
        ],
        "PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "true # mine"}]}]
    }, "cleanupPeriodDays": 99
}
"""
SERVERS = """{
  "numStartups": 7,
  "mcpServers": {"other": {"type": "stdio", "command": "true", "args": []}},
  "über": "\\u00fcber"
}
"""


class Connected:
    """A person's machine; `onduty` runs the command line there as the wheel installed it."""

    def __init__(self, program: Path, root: Path, server: Server, model: ScriptedModel | None = None) -> None:
        self.server = server
        self.claude = Claude(program, root, None if model is None else model.url)
        self.settings = self.claude.home / ".claude" / "settings.json"
        self.servers = self.claude.home / ".claude.json"
        self.settings.parent.mkdir()
        self.settings.write_text(SETTINGS)
        self.servers.write_text(SERVERS)

    def onduty(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `onduty …` there; its exit code has to be `code`."""
        env = {**self.claude.environment, "XDG_CONFIG_HOME": str(self.server.configuration), **environment}
        done = subprocess.run(
            [sys.executable, "-m", "onduty.cli.main", *arguments],
            env=env,
            cwd=self.claude.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def connect(self, *arguments: str) -> None:
        """`onduty connect claude`, as a backend."""
        self.onduty("connect", "claude", "--role", "backend", *arguments)

    def rows(self) -> list[dict[str, Any]]:
        """The sessions of the first project, ended ones too; those of the proofs are left out."""
        path = f"/api/projects/{self.server.project_id}/agent-sessions?active=false"
        rows = self.server.call("GET", path).json["sessions"]
        return [row for row in rows if row["session_id"] not in self.proofs()]

    def proofs(self) -> set[str]:
        """The rows that `connect` and `doctor` proved themselves with."""
        with sqlite3.connect(f"file:{self.server.data / 'onduty.sqlite3'}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT session_id FROM session_aliases WHERE alias LIKE 'onduty-proof%'")
            return {session_id for (session_id,) in rows}

    def keys(self) -> dict[str, Any]:
        """What stands in the servers' file now."""
        return dict(json.loads(self.servers.read_text()))
