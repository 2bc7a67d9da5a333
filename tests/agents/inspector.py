"""MCP Inspector's command line: another implementation's view of an MCP server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .install import Paths

Era = Literal["legacy", "auto", "modern"]
SECONDS = 60.0


class InspectorError(Exception):
    """The Inspector ended with an error; the text is what it wrote on standard error."""


@dataclass(frozen=True)
class Inspector:
    """Asks the MCP server at `url`; `home` is a folder for the Inspector's own files.

    `era` is the protocol era to negotiate: `legacy` begins with initialize, `modern` with server/discover.
    """

    paths: Paths
    url: str
    home: Path
    headers: Mapping[str, str] = field(default_factory=dict)
    era: Era = "legacy"

    def tools(self, *options: str) -> list[dict[str, Any]]:
        """The tools that the server offers; `options` may be `--strict`. Raises InspectorError."""
        return list(self._ask("tools/list", *options)["tools"])

    def call(self, tool: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The result of a tool call, a result with `isError` included. Raises InspectorError."""
        return self._ask("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments or {}))

    def _ask(self, method: str, *options: str) -> dict[str, Any]:
        headers = [word for name, value in self.headers.items() for word in ("--header", f"{name}: {value}")]
        command = [
            *(str(self.paths.node), str(self.paths.inspector), "--cli", self.url, "--transport", "http"),
            *("--protocol-era", self.era, "--stored-auth-only", "--quiet", "--format", "json", "--method", method),
            *options,
            *headers,
        ]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        done = subprocess.run(
            command, env=env, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
        )
        if not done.stdout.strip():
            raise InspectorError(f"exit code {done.returncode}: {done.stderr}")
        answer: dict[str, dict[str, Any]] = json.loads(done.stdout)
        return answer["result"]
