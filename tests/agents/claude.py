"""Real Claude Code, of either MCP revision, in a home of its own: no account, no network but loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .terminal import Terminal

API_KEY = "sk-ant-api03-onduty-tests-0123456789abcdefghij"
PROMPT_SHOWN = "for shortcuts"
NO_MODEL = "http://127.0.0.1:9"
_PERMISSIONS = ("--permission-mode", "default")
SETTINGS = {
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_TERMINAL_TITLE": "1",
    "ENABLE_TOOL_SEARCH": "false",
    "IS_DEMO": "1",
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
}


@dataclass(frozen=True)
class McpServer:
    """An entry of `--mcp-config`: an MCP server over HTTP, with a bearer token where one is given."""

    url: str
    token: str | None = None
    name: str = "onduty"
    headers: Mapping[str, str] = field(default_factory=dict)

    def config(self) -> str:
        """The argument of `--mcp-config`."""
        bearer = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        entry = {"type": "http", "url": self.url, "headers": {**bearer, **self.headers}}
        return json.dumps({"mcpServers": {self.name: entry}})


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


class Claude:
    """Claude Code with a scratch home and a project folder below `root`.

    `program` comes from `install.ensure()`; `model` is the address of a scripted model, needed for everything but the
    `claude mcp` commands. `env` adds variables, such as ONDUTY_SESSION, or takes the place of those set here.
    """

    def __init__(
        self, program: Path, root: Path, model: str | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.program = program
        self.home = root / "home"
        self.folder = root / "project"
        for folder in (self.home, self.folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._env = self._environment(model, env or {})

    @property
    def environment(self) -> dict[str, str]:
        """What its programs are given, for another program in the same home."""
        return dict(self._env)

    def run(self, *arguments: str, seconds: float = 60.0) -> Done:
        """Runs `claude` with these arguments to its end. Raises subprocess.TimeoutExpired."""
        done = subprocess.run(
            [str(self.program), *arguments],
            env=self._env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def ask(
        self, prompt: str, server: McpServer | None = None, tools: Sequence[str] = (), seconds: float = 60.0
    ) -> Done:
        """Runs `claude -p` to its end; `tools`, as `mcp__onduty__whoami` or `Bash(ls:*)`, run without a question."""
        return self.run(*_print_arguments(prompt, server, tools), seconds=seconds)

    @contextmanager
    def asking(
        self, prompt: str, server: McpServer | None = None, tools: Sequence[str] = ()
    ) -> Iterator[subprocess.Popen[str]]:
        """Starts `claude -p` and yields the running process; it is killed at the end, with its children."""
        process = subprocess.Popen(
            [str(self.program), *_print_arguments(prompt, server, tools)],
            env=self._env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            with process:
                try:
                    yield process
                finally:
                    kill(process)
        finally:
            kill(process)

    def terminal(
        self, server: McpServer | None = None, tools: Sequence[str] = (), arguments: Sequence[str] = ()
    ) -> Terminal:
        """Starts Claude Code as a person does, in a terminal; wait for its prompt with `wait_for(PROMPT_SHOWN)`.

        Its first-run questions (theme, trust in the folder, the API key) are answered in its configuration beforehand.
        """
        self._answer_first_questions()
        command = [str(self.program), *_PERMISSIONS, *_mcp_arguments(server), *_tool_arguments(tools), *arguments]
        return Terminal(command, self._env, self.folder)

    def mcp_list(self) -> Done:
        """Runs `claude mcp list`, which connects to every server for a moment to see whether it is well."""
        return self.run("mcp", "list")

    def shell_line(self, line: str) -> Done:
        """Runs a line that Onduty printed for people, such as `claude mcp add …`, as a shell would split it."""
        program, *arguments = shlex.split(line)
        if program != "claude":
            raise ValueError(f"not a command line of claude: {line}")
        return self.run(*arguments)

    def configuration(self) -> dict[str, Any]:
        """What Claude Code keeps in its home; `mcpServers` there holds what `mcp add --scope user` wrote."""
        path = self.home / ".claude.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def _environment(self, model: str | None, extra: Mapping[str, str]) -> dict[str, str]:
        """Nothing is inherited but PATH, so that no CLAUDE*, ANTHROPIC*, MCP* or proxy setting of this shell counts."""
        account = {"ANTHROPIC_BASE_URL": model or NO_MODEL, "ANTHROPIC_API_KEY": API_KEY}
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **SETTINGS, **account, **extra}

    def _answer_first_questions(self) -> None:
        project = {
            "hasTrustDialogAccepted": True,
            "hasCompletedProjectOnboarding": True,
            "projectOnboardingSeenCount": 9,
        }
        answers = {
            "hasCompletedOnboarding": True,
            "lastOnboardingVersion": "999.0.0",
            "theme": "dark",
            "customApiKeyResponses": {"approved": [API_KEY[-20:]], "rejected": []},
            "projects": {str(self.folder): project},
        }
        (self.home / ".claude.json").write_text(json.dumps({**self.configuration(), **answers}))


def kill(process: subprocess.Popen[str]) -> None:
    """`kill -9` of a process that leads a group, and of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _print_arguments(prompt: str, server: McpServer | None, tools: Sequence[str]) -> list[str]:
    return ["-p", prompt, *_PERMISSIONS, *_mcp_arguments(server), *_tool_arguments(tools)]


def _mcp_arguments(server: McpServer | None) -> list[str]:
    return [] if server is None else ["--strict-mcp-config", "--mcp-config", server.config()]


def _tool_arguments(tools: Sequence[str]) -> list[str]:
    return ["--allowedTools", ",".join(tools)] if tools else []
