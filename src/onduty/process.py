"""The process that serves: its socket, its signals, its limit on headers, and how it leaves."""

import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Generator
from types import FrameType
from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from onduty.answers import ALWAYS, Application, problem_answer
from onduty.database.refused import Refused
from onduty.errors import HeadersTooLarge, Invalid, Problem

HEADER_BYTES: Final = 32 * 1024
GRACE_SECONDS: Final = 3
_BACKLOG: Final = 2048

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


class Protocol(HttpToolsProtocol):
    """HTTP whose headers are limited in all (httptools has no limit), and whose own refusals are our error object."""

    _header_bytes = 0
    _in_headers = False
    _unfinished_bytes = 0

    def on_message_begin(self) -> None:
        self._header_bytes = self._unfinished_bytes = 0
        self._in_headers = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        # A header is only told once it is whole: what goes on and on is counted here, from its second piece on.
        self._unfinished_bytes += len(data) if self._in_headers else 0
        super().data_received(data)
        if self._in_headers and self._unfinished_bytes > HEADER_BYTES and not self.transport.is_closing():
            self._refuse(HeadersTooLarge(HEADER_BYTES))

    def send_400_response(self, msg: str) -> None:
        # httptools makes an error of its own of what a callback raises, and uvicorn asks for this.
        if self._header_bytes > HEADER_BYTES:
            self._refuse(HeadersTooLarge(HEADER_BYTES))
        else:
            self._refuse(Invalid("This is no HTTP request that the server understands"))

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES:
            raise HeadersTooLarge(HEADER_BYTES)

    def _refuse(self, problem: Problem) -> None:
        status, headers, body = problem_answer(problem)
        told = [*headers, *ALWAYS, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %s\r\n" % (status, problem.code.encode()), *(b"%s: %s\r\n" % pair for pair in told)]
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self.transport.close()


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

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        with super().capture_signals():
            yield


def server(app: Application, leaving: Callable[[], None]) -> Server:
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
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=_BACKLOG,
    )
    return Server(config, leaving)
