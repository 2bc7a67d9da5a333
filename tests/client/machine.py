"""A machine on which the client program is installed, and a server of a few lines that does as a test says."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from onduty.client import connections, delivery, installing, place, spool

Batch = dict[str, Any]
SESSION = "01a20cf9-e72e-704b-bafb-3c62408f5da2"


def accepted(batch: Batch) -> tuple[int, Any]:
    """What a server says that takes everything."""
    results = [{"id": event["id"], "status": "accepted", "session_id": SESSION} for event in batch["events"]]
    return 200, {"results": results, "on_duty": {"agents": 1, "waiting": 0, "roles": {"none": 1}}}


class Receiver:
    """A server on loopback; `answer` says what it answers, `batches` are what came."""

    def __init__(self, answer: Callable[[Batch], tuple[int, Any]] = accepted) -> None:
        self.answer = answer
        self.batches: list[Batch] = []
        self.heads: list[Mapping[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.heads.append(dict(self.headers.items()))
                receiver.batches.append(batch)
                status, said = receiver.answer(batch)
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for batch in self.batches for event in batch["events"]]


class Machine:
    """Below `root` a home with the program installed and Claude Code, or another `client`, connected to `origin`."""

    client = "claude"

    def __init__(self, root: Path, origin: str, **words: Any) -> None:
        self.environment = {"HOME": str(root), "PATH": "/usr/bin:/bin"}
        self.root = place.folder(self.environment)
        self.folder = root / "shop"
        self.folder.mkdir(parents=True)
        installing.install(self.root)
        connection = {"origin": origin, "token": "ody_x", "project": "p", "role": "qa", "machine": "box", **words}
        connections.write(self.root, {self.client: connection})

    def command(self, event: str) -> list[str]:
        return installing.command(self.root, "hook", self.client, event)

    def hook(self, event: str, **payload: Any) -> tuple[str, float]:
        """Run the hook; what it says on stdout, and how many seconds it took. Its exit code is always 0."""
        sent = {"session_id": "s1", "hook_event_name": event, **payload}
        return self.run(event, json.dumps(sent).encode())

    def run(self, event: str, stdin: bytes) -> tuple[str, float]:
        began = time.monotonic()
        env = {**self.environment, "CLAUDE_PROJECT_DIR": str(self.folder)}
        done = subprocess.run(self.command(event), input=stdin, env=env, capture_output=True, timeout=10)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode(), time.monotonic() - began

    def deliver(self) -> int:
        """Bring what waits to its server, as `onduty doctor` does; by how many events."""
        token = connections.read(self.root)["claude"]["token"]
        return sum(delivery.deliver_spool(self.root, heading, token) for heading, _ in spool.headings(self.root))

    def waiting(self) -> list[dict[str, Any]]:
        """What waits in the spool."""
        return [event for heading, _ in spool.headings(self.root) for event in spool.waiting(self.root, heading)]
