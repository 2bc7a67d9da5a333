"""A real `onduty serve` from the installed wheel, as a process of its own with a data folder and a home of its own.

Fixtures: `server` is one for all tests of a module, `start_server` starts as many as a test asks for.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.asking import Answer, ask
from tests.wheel import onduty

_TOKEN = re.compile(r"ody_[0-9A-Za-z]{36}")
_SIGN_IN = re.compile(r"http://\S+/sign-in#\S+")
_STARTS_WITHIN = 30.0
_STOPS_WITHIN = 10.0
_FIRST_TOKEN = object()


class NotReadyError(Exception):
    """The server left or stayed silent; the text holds what it printed."""


@dataclass
class Server:
    """A running server and what its first start printed. Made by `Server.start`."""

    folder: Path
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    lines: list[str] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None

    @classmethod
    def start(cls, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Server:
        """Starts one on a free port, with everything it keeps below `folder`, and returns when it is ready.

        `arguments` follow `onduty serve`, `environment` is added to its own. Raises NotReadyError.
        """
        server = cls(folder, arguments, environment or {})
        server._launch()
        server._await("the printed line for an agent client", lambda: server.claude_command is not None)
        server.port = int(server.url.rpartition(":")[2])
        server._await("readiness", server._is_ready)
        return server

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def configuration(self) -> Path:
        """Its XDG_CONFIG_HOME: give it to an `onduty` command that is to speak for the owner."""
        return self.folder / "config"

    @property
    def log(self) -> Path:
        """What it said on stderr, over all its starts."""
        return self.folder / "stderr.txt"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def sign_in_link(self) -> str:
        return self._printed(_SIGN_IN.fullmatch, "sign-in link")

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`"""
        return self.sign_in_link.partition("/sign-in#")[0]

    @cached_property
    def token(self) -> str:
        """The token it printed: narrowed to the first project."""
        return self._printed(_TOKEN.fullmatch, "token")

    @property
    def claude_command(self) -> str | None:
        return next((line for line in self.lines if line.startswith("claude mcp add ")), None)

    @cached_property
    def owner_token(self) -> str:
        """The command line's credential, not narrowed."""
        found = _TOKEN.search((self.configuration / "onduty" / "credentials.json").read_text())
        assert found, "no token in credentials.json"
        return found.group()

    @cached_property
    def project_id(self) -> str:
        """The first project: the only one that the printed token sees."""
        answer = self.call("GET", "/api/projects")
        assert answer.status == 200, answer.body
        [project] = answer.json["projects"]
        return str(project["id"])

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | object | None = _FIRST_TOKEN,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10,
    ) -> Answer:
        """One request, by the printed token unless `token` says otherwise; None sends none. See `tests.asking.ask`."""
        bearer = self.token if token is _FIRST_TOKEN else token
        assert bearer is None or isinstance(bearer, str)
        return ask(self.port, method, path, token=bearer, json=json, body=body, headers=headers, timeout=timeout)

    def kill9(self) -> None:
        """Ends it as a power cut would; returns when it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Asks it to leave (SIGTERM) and returns its exit code; -9 where it had to be killed after 10 s."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Starts it again on the same port and data; stops it first if it runs. Returns when it is ready."""
        self.stop()
        self._launch()
        self._await("readiness", self._is_ready)

    def _launch(self) -> None:
        for folder in (self.folder, self.configuration, self.folder / "home"):
            folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                onduty("serve", *self.arguments),
                cwd=self.folder,
                env=self._its_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _its_environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("ONDUTY_")},
            "HOME": str(self.folder / "home"),
            "XDG_CONFIG_HOME": str(self.configuration),
            "ONDUTY_DATA": str(self.data),
            "ONDUTY_PORT": str(self.port),
            **self.environment,
        }

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            self.lines.extend(line.rstrip("\n") for line in process.stdout)

    def _await(self, what: str, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + _STARTS_WITHIN
        while not holds():
            assert self._process is not None
            code = self._process.poll()
            if code is not None or time.monotonic() > until:
                self.kill9()
                said = "\n".join([*self.lines, self.log.read_text()])
                raise NotReadyError(f"no {what}; exit code {code}; it said:\n{said}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            return ask(self.port, "GET", "/readyz").status == 200
        except OSError:
            return False

    def _printed(self, matches: Callable[[str], object], what: str) -> str:
        found = next((line.strip() for line in self.lines if matches(line.strip())), None)
        assert found is not None, f"no {what} alone on a line among {self.lines}"
        return found

    def _end(self, how: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(how)
        try:
            code = process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if self._reader is not None:
            self._reader.join(_STOPS_WITHIN)
        return code


class StartServer(Protocol):
    """`start_server("--host", "::1", environment={"ONDUTY_RATE_LIMIT": "0"})`"""

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Server: ...


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers that are gone when the test is over."""
    started: list[Server] = []

    def start(*arguments: str, environment: Mapping[str, str] | None = None) -> Server:
        folder = tmp_path / f"server-{len(started)}"
        started.append(Server.start(folder, *arguments, environment=environment))
        return started[-1]

    yield start
    for server in started:
        server.kill9()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module: for those that do not mind one another's sessions."""
    running = Server.start(tmp_path_factory.mktemp("server"))
    yield running
    running.kill9()
