"""The process that serves: its socket, its signals, its limit on headers, and how it leaves."""

import contextlib
import errno
import logging
import socket
import struct
import typing
from collections.abc import Callable, Generator
from types import FrameType
from typing import Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from onduty.answers import ALWAYS, Client, Headers, Receive, Scope, Send, Whole, problem_answer
from onduty.database.refused import Refused
from onduty.errors import HeadersTooLarge, Invalid, Problem, TimedOut

HEADER_BYTES: Final = 32 * 1024
GRACE_SECONDS: Final = 3
_BACKLOG: Final = 2048
_LINGER_SECONDS: Final = 2
_NO_LINGERING: Final = struct.pack("ii", 1, 0)

_log = logging.getLogger(__name__)


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address, not yet answering. Refused where it is taken or is none of this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise Refused(f"Port {port} on {host} is in use: set ONDUTY_PORT (--port) to another one.") from None
        raise Refused(f"{host}:{port} cannot be listened on: {error.strerror or error}.") from None
    bound.setblocking(False)
    return bound


class Answering(typing.Protocol):
    """An application that may answer at once what needs no waiting."""

    def at_once(self, method: bytes, target: bytes, headers: Headers, client: Client) -> Whole | None:
        """The answer to a request that has no body; None, nothing done, where the application is to be called."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


# Seconds for a head, and for what is too late to answer; the least that a body brings on the average after those.
_HEAD_SECONDS: Final = 10
_BODY_BYTES_A_SECOND: Final = 512
_KEEP_ALIVE_SECONDS: Final = 75
_TICKS_A_SECOND: Final = 10


class Protocol(HttpToolsProtocol):
    """HTTP whose headers are limited in all (httptools has no limit), and whose own refusals are our error object.

    uvicorn waits for a request without end: `look`, called every second, gives up on one that comes too slowly.

    What the application can answer at once is written at once, before uvicorn makes a scope, a cycle, a timer and a
    task for it: they would cost more than the answer.
    """

    _in_head = True
    # Bytes of the chunk in which the request began, and of those after it: no head is longer than both together.
    _first = _arrived = 0
    _chunk = 0
    _problem: Problem | None = None
    _is_refused = False
    # Requests begun, and for how many seconds `look` has found the same one unfinished.
    _begun = _looked_at = _seconds = 0
    _in_body = _is_answered = _has_cycle = False

    def on_message_begin(self) -> None:
        self._begun += 1
        self._in_head, self._first, self._arrived = True, self._chunk, 0
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._first + self._arrived > HEADER_BYTES and self._head_bytes() > HEADER_BYTES:
            self._problem = HeadersTooLarge(HEADER_BYTES)
            raise self._problem
        self._in_body = True
        if not self._answer_at_once():
            self._begin_as_usual()
            super().on_headers_complete()

    def _answer_at_once(self) -> bool:
        parser = self.parser
        is_plain = self._is_between and not self.expect_100_continue and not self.flow.write_paused
        if not (is_plain and parser.should_keep_alive() and parser.get_http_version() == "1.1"):
            return False
        app: Answering = self.app
        whole = app.at_once(parser.get_method(), self.url, self.headers, self.client)
        if whole is None:
            return False
        # The date is the only header that uvicorn adds as `server` below configures it.
        date = self.server_state.default_headers[0][1]
        self.transport.write(b"%bdate: %b\r\n\r\n%b" % (whole.head, date, whole.body))
        self._is_answered = True
        return True

    @property
    def _is_between(self) -> bool:
        """Whether all that was asked before has been answered."""
        return not self._has_cycle or self.cycle.response_complete

    def _begin_as_usual(self) -> None:
        """What uvicorn does at a message's begin, which was put off until it was needed."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self._has_cycle = True
        cast("Scope", self.scope)["onduty.cut"] = self._cut
        self.headers.extend(headers)
        self.url, self.expect_100_continue = url, expects

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._is_answered:
            self._is_answered = False
            return
        super().on_message_complete()

    def look(self) -> None:
        """Refuse or close what has been coming in for too long. Called once a second."""
        if self._begun != self._looked_at:
            self._looked_at, self._seconds = self._begun, 0
        elif self._in_head or self._in_body:
            self._seconds += 1
            if self._is_late() and not self.flow.read_paused:
                self._give_up()
        elif self._is_between:
            # uvicorn's own timer is armed only where uvicorn answered last.
            self._seconds += 1
            if self._seconds > _KEEP_ALIVE_SECONDS:
                self.transport.close()

    def _is_late(self) -> bool:
        if not self._begun:
            return self._seconds > _KEEP_ALIVE_SECONDS
        if self._seconds <= _HEAD_SECONDS:
            return False
        # An answered request whose body goes on and on is not read for its own sake.
        is_slow = self._arrived < self._seconds * _BODY_BYTES_A_SECOND
        return self._in_head or self.cycle.response_complete or is_slow

    def _give_up(self) -> None:
        if self._begun and (self._in_head or not self.cycle.response_started):
            self._refuse(TimedOut())
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._chunk = len(data)
        self._arrived += self._chunk
        super().data_received(data)
        # After the head there may be trailers, which httptools adds to the headers.
        if self._arrived > HEADER_BYTES and (self._in_head or self._head_bytes() > HEADER_BYTES):
            self._refuse(HeadersTooLarge(HEADER_BYTES))

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._problem or Invalid("This is no HTTP request that the server understands"))

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _cut(self) -> None:
        """End the connection, and with it what the system still holds for somebody who does not read."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        status, headers, body = problem_answer(problem)
        if self.transport.is_closing() or self._is_refused:
            return
        told = [*headers, *ALWAYS, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %s\r\n" % (status, problem.code.encode()), *(b"%s: %s\r\n" % pair for pair in told)]
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        # To close while the client is still sending would reset the connection, and the client would never read why.
        self._is_refused = True
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)


class Server(uvicorn.Server):
    """Leaves with exit code 0 when told to by a signal; `leaving` is called first, so that streams let go."""

    def __init__(self, config: uvicorn.Config, leaving: Callable[[], None]) -> None:
        super().__init__(config)
        self._leaving = leaving

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        # A signal handler may interrupt anything: the loop does the rest.
        self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leaving()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, Protocol):
                    connection.look()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        with super().capture_signals():
            yield


def server(app: Answering, leaving: Callable[[], None]) -> Server:
    """A uvicorn server for the application, silent but for warnings, with uvloop and httptools."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=_BACKLOG,
    )
    return Server(config, leaving)
