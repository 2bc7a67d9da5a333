"""A small real HTTP server as the far side of a command: says what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from onduty.cli.main import run
from onduty.client.credentials import Credential, keep
from onduty.clock import rfc3339

TOKEN = "ody_0123456789"
ME = "018f0000-0000-7000-8000-000000000001"
OTHER = "018f0000-0000-7000-8000-000000000002"
PROJECT = "018f0000-0000-7000-8000-00000000000a"
NOW_S = 1_800_000_000
"""The far side's time: far from the machine's, so that an age by the wrong clock shows."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Said:
    """`body` is sent as JSON, bytes as they are; `headers` win over what the far side sends by itself.

    A `stream` is sent instead, piece by piece, and then the connection ends.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stream: Iterable[bytes] | None = None


@dataclass
class FarSide:
    """`says` by method and path; a callable is asked with the request. What is not there is a 404."""

    says: dict[str, Said | Callable[[Asked], Said]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    address: str = ""

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        said = self.says.get(f"{asked.method} {asked.path}")
        if said is None:
            return Said({"error": "There is nothing here", "code": "NOT_FOUND"}, 404)
        return said(asked) if callable(said) else said


def row(session_id: str = "s1", **fields: Any) -> dict[str, Any]:
    """A session as the API answers it: an idle Claude Code of mine, connected 2 h 33 min ago."""
    return {
        "session_id": session_id,
        "machine_id": "laptop",
        "user_id": ME,
        "project_id": PROJECT,
        "caller_role": "backend",
        "caller_origin": "claude-code",
        "connected_at": ago(2 * 3600 + 33 * 60),
        "last_activity_at": ago(41),
        "state": "idle",
        "because": {"signal": "none", "at": ago(41)},
        "connected": True,
        "client_version": None,
        "branch": None,
        "folder": None,
        "said": None,
        "ticket": None,
        "parent_session_id": None,
        "ended_at": None,
        "end_reason": None,
        **fields,
    }


def ago(seconds: float) -> str:
    return rfc3339(int((NOW_S - seconds) * 1000))


def sessions(*rows: dict[str, Any], **headers: str) -> Said:
    return Said({"sessions": list(rows)}, headers=headers)


def told(kind: str, number: int, seconds_ago: float = 0, **words: Any) -> bytes:
    """An event of the live stream."""
    data = json.dumps({**words, "now": ago(seconds_ago)})
    return f"id: far:{number}\nevent: {kind}\ndata: {data}\n\n".encode()


def _handler(far_side: FarSide) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(sent) if sent else None
            said = far_side.answer(Asked(self.command, parts.path, query, headers, body))
            if said.stream is not None:
                self._send_stream(said.stream)
                return
            content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response_only(said.status)
            defaults = {"Date": formatdate(NOW_S, usegmt=True), "Content-Length": str(len(content))}
            for name, value in {**defaults, **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _send_stream(self, stream: Iterable[bytes]) -> None:
            self.close_connection = True
            self.send_response_only(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                for piece in stream:
                    self.wfile.write(piece)
            except OSError:
                pass  # Who asked is gone.

        do_GET = do_POST = handle_any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home in which nothing is kept, and no variable is set: its XDG_CONFIG_HOME."""
    for name in ("SERVER", "TOKEN", "PROJECT", "ROLE", "SESSION", "DATA", "PORT", "HOST"):
        monkeypatch.delenv(f"ONDUTY_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def far_side(home: Path) -> Iterator[FarSide]:
    """A far side that knows me and one project, and the credential for it."""
    project = {"id": PROJECT, "name": "shop", "role": "owner", "created_at": ago(0)}
    token = {"id": "t1", "name": "cli", "project_ids": None, "read_only": False}
    far_side = FarSide(
        {
            "GET /api/me": Said({"user_id": ME, "name": "Ana", "token": token}),
            "GET /api/projects": Said({"projects": [project]}),
            "GET /livez": Said({"status": "ok"}),
            "GET /healthz": Said({"status": "ok", "version": "9.9"}),
        }
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(far_side))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    far_side.address = f"http://127.0.0.1:{server.server_address[1]}"
    keep(Credential(far_side.address, TOKEN, PROJECT))
    yield far_side
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Onduty:
    """The command, in this process."""

    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Its exit code, stdout and stderr."""
        code = run(list(arguments))
        out, err = self.capture.readouterr()
        return code, out, err


@pytest.fixture
def onduty(capsys: pytest.CaptureFixture[str], home: Path) -> Onduty:
    return Onduty(capsys)
