"""A scripted model on loopback, by Anthropic's API and OpenAI's: clients work with it without account and network."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlsplit

from . import responses
from .script import Answer, Call, Json, Say, Step, Wait, message, stream_opening, stream_rest

PING_SECONDS = 2.0
WAIT_TOOL = "WaitForMcpServers"
PAUSE = Call(WAIT_TOOL)
PATIENCE = 5
SIDE_ANSWER = '{"title": "Work", "isNewTopic": false}'


@dataclass(frozen=True)
class Seen:
    """A request that the model received; `step` tells whether it was the script's turn."""

    method: str
    path: str
    body: Json
    step: bool


class ScriptedModel:
    """Serves a script of steps at `url`, one turn a request; use it in a `with` statement.

    Requests that offer no tools (titles, topics, summaries) are answered with a harmless text and leave the script as
    it is. After the last step every turn is answered with the text "done".
    """

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._steps = list(steps)
        self._patience = PATIENCE
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.model = self
        self.seen: list[Seen] = []
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            for step in self._steps:
                if isinstance(step, Wait):
                    step.event.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, *steps: Step) -> None:
        """Appends steps to the script, also while a client works."""
        with self._lock:
            self._steps.extend(steps)

    @property
    def left(self) -> int:
        """How many steps of the script have not been taken yet."""
        with self._lock:
            return len(self._steps)

    def take(self, offered: Collection[str], pause: Call = PAUSE) -> Step:
        """Takes the next step of the script.

        A call of an MCP tool that the client does not offer yet stays for the next turn, and `pause` is called if the
        client offers that: a client that has just started still connects to its servers.
        """
        with self._lock:
            step = self._steps[0] if self._steps else Say("done")
            early = isinstance(step, Call) and step.tool.startswith("mcp__") and step.tool not in offered
            if early and pause.tool in offered and self._patience > 0:
                self._patience -= 1
                return pause
            del self._steps[:1]
            return step

    def note(self, method: str, path: str, body: Json) -> Seen:
        """Records a request and decides whether it is the script's turn."""
        seen = Seen(method, path, body, step=path in ("/v1/messages", responses.PATH) and bool(body.get("tools")))
        with self._lock:
            self.seen.append(seen)
        return seen


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    model: ScriptedModel

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed leaves a broken connection behind; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: what was asked stands in `ScriptedModel.seen`."""

    def do_HEAD(self) -> None:
        self._answer_json({})

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self._model.note("GET", path, {})
        self._answer_json({"data": [], "has_more": False} if path == "/v1/models" else {})

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        seen = self._model.note("POST", path, self._body())
        if path == "/v1/messages/count_tokens":
            self._answer_json({"input_tokens": 1})
        elif path == responses.PATH:
            self._answer_stream(responses.opening(), lambda: responses.rest(self._next(seen, ping=lambda: None)))
        elif path != "/v1/messages":
            self._answer_json({})
        elif seen.body.get("stream"):
            opening = stream_opening(str(seen.body.get("model")))
            self._answer_stream(opening, lambda: stream_rest(self._next(seen, ping=self._ping)))
        else:
            self._answer_json(message(str(seen.body.get("model")), self._next(seen, ping=lambda: None)))

    @property
    def _model(self) -> ScriptedModel:
        return cast(_Server, self.server).model

    def _body(self) -> Json:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            value = json.loads(raw)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def _next(self, seen: Seen, ping: Callable[[], None]) -> Answer:
        if not seen.step:
            return Say(SIDE_ANSWER)
        pause = responses.PAUSE if seen.path == responses.PATH else PAUSE
        while isinstance(step := self._model.take(responses.offered(seen.body), pause), Wait):
            until = time.monotonic() + step.seconds
            while (left := until - time.monotonic()) > 0 and not step.event.wait(min(left, PING_SECONDS)):
                ping()
        return step

    def _answer_json(self, value: Json) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer_stream(self, opening: Json, rest: Callable[[], Iterable[Json]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self._event(opening)
        for event in rest():
            self._event(event)

    def _ping(self) -> None:
        self._event({"type": "ping"})

    def _event(self, event: Json) -> None:
        self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()
