"""Claude Code in a scratch home full of other things, connected by `onduty connect`, with a server and a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.agents.claude import Claude
from tests.agents.home import Home
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


class Connected(Home):
    """A person's machine with Claude Code."""

    def __init__(self, program: Path, root: Path, server: Server, model: ScriptedModel | None = None) -> None:
        self.claude = Claude(program, root, None if model is None else model.url)
        super().__init__(server, self.claude.environment, self.claude.folder)
        self.settings = self.claude.home / ".claude" / "settings.json"
        self.servers = self.claude.home / ".claude.json"
        self.settings.parent.mkdir()
        self.settings.write_text(SETTINGS)
        self.servers.write_text(SERVERS)

    def connect(self, *arguments: str) -> None:
        """`onduty connect claude`, as a backend."""
        self.onduty("connect", "claude", "--role", "backend", *arguments)

    def keys(self) -> dict[str, Any]:
        """What stands in the servers' file now."""
        return dict(json.loads(self.servers.read_text()))
