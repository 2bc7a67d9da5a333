"""Real Codex in a home of its own: no account, no network but loopback, no background server that outlives a test."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .claude import Done, kill
from .terminal import Terminal

VERSION = "0.169.0"
PROMPT_SHOWN = "for shortcuts"
NO_MODEL = "http://127.0.0.1:9"
# As a person wrote it: comments, an odd order, spaces, an empty line at the end that is none.
CONFIG = """# mine
model   = "gpt-5.1-codex"   # the one I like
model_provider="scripted"

[mcp_servers.other]
  command = "true"
  args = [
    "a", # first
  ]

[[hooks.PreToolUse]]
matcher = "^Bash$"
hooks = [{ type = "command", command = "true # mine" }]

[model_providers.scripted]
name = "scripted"
base_url = "MODEL/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[projects."FOLDER"]
trust_level = "trusted\""""
HOOKS = """{"description": "mine",
   "hooks": {"Stop": [{"hooks": [{"type":"command","command":"true"}]}],
             "SessionStart": [ {"matcher": "resume", "hooks": [{"type": "command", "command": "true"}]} ]}}
"""


class Codex:
    """Codex with a scratch home full of other things, and a project folder, below `root`."""

    def __init__(self, program: Path, root: Path, model: str | None = None) -> None:
        self.program = program
        self.home = root / "home"
        self.folder = root / "project"
        self.config = self.home / ".codex" / "config.toml"
        self.hooks = self.home / ".codex" / "hooks.json"
        programs = root / "bin"
        for folder in (self.config.parent, self.folder, programs):
            folder.mkdir(parents=True, exist_ok=True)
        (programs / "codex").symlink_to(program)
        self.written = CONFIG.replace("MODEL", model or NO_MODEL).replace("FOLDER", str(self.folder))
        self.config.write_text(self.written)
        self.hooks.write_text(HOOKS)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }

    def run(self, *arguments: str, seconds: float = 60.0) -> Done:
        """Runs `codex` with these arguments to its end. Raises subprocess.TimeoutExpired."""
        done = subprocess.run(
            [str(self.program), *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def ask(self, prompt: str) -> Done:
        """Runs `codex exec` to its end."""
        return self.run("exec", "--skip-git-repo-check", prompt)

    @contextmanager
    def asking(self, prompt: str) -> Iterator[subprocess.Popen[str]]:
        """Starts `codex exec` and yields the running process; it is killed at the end, with its children."""
        with self._started(["exec", "--skip-git-repo-check", prompt], stdin=subprocess.DEVNULL) as process:
            yield process

    @contextmanager
    def serving(self) -> Iterator[AppServer]:
        """Starts the server of Codex that its editors, and its own terminals, share."""
        with self._started(["app-server"], stdin=subprocess.PIPE) as process:
            yield AppServer(process)

    def terminal(self, arguments: Sequence[str] = ()) -> Terminal:
        """Starts Codex as a person does, in a terminal; wait for its prompt with `wait_for(PROMPT_SHOWN)`."""
        command = [str(self.program), "--no-daemon", "-a", "on-request", "-s", "workspace-write", *arguments]
        return Terminal(command, self.environment, self.folder)

    @contextmanager
    def _started(self, arguments: Sequence[str], stdin: int) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [str(self.program), *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
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
            with contextlib.suppress(ProcessLookupError):
                kill(process)


class AppServer:
    """`codex app-server`: several threads, each an agent, in one process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._last = 0
        self.call("initialize", clientInfo={"name": "tests", "version": "1"})
        self._send({"method": "initialized"})

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One request and its result; what it tells unasked meanwhile is passed over."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == self._last and "method" not in message:
                assert "result" in message, message
                return dict(message["result"])

    def work(self, prompt: str, thread_id: str) -> None:
        """One turn of a thread, to its end."""
        self.call("turn/start", threadId=thread_id, input=[{"type": "text", "text": prompt}])
        while True:
            message = self._next()
            if message.get("method") == "turn/completed" and message["params"]["threadId"] == thread_id:
                return

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))
