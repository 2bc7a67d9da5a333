"""Adds a token to requests on their way to a server, for programs that cannot; Host and Origin stay as they came."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

_READ = 65_536


@contextmanager
def forwarding(port: int, token: str) -> Iterator[int]:
    """The port of a forwarder to 127.0.0.1:`port`, for as long as the block runs. A connection carries one request."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        threading.Thread(target=_accept, args=(listening, port, token), daemon=True).start()
        yield int(listening.getsockname()[1])
        # Closing alone does not wake who accepts.
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, port: int, token: str) -> None:
    with suppress(OSError):
        while True:
            near, _ = listening.accept()
            threading.Thread(target=_forward, args=(near, port, token), daemon=True).start()


def _forward(near: socket.socket, port: int, token: str) -> None:
    with suppress(OSError), closing(near), closing(socket.create_connection(("127.0.0.1", port))) as far:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = near.recv(_READ)
            if not piece:
                return
            head += piece
        far.sendall(_with_token(head, token))
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()


def _with_token(head: bytes, token: str) -> bytes:
    first, _, rest = head.partition(b"\r\n")
    headers, _, body = rest.partition(b"\r\n\r\n")
    kept = [line for line in headers.split(b"\r\n") if not line.lower().startswith((b"connection:", b"authorization:"))]
    added = [b"Authorization: Bearer " + token.encode(), b"Connection: close"]
    return b"\r\n".join([first, *kept, *added]) + b"\r\n\r\n" + body


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_READ):
            sink.sendall(piece)
    # Whoever reads from the other side sees the end, and this side's own reader is woken.
    for side in (sink, source):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR if side is sink else socket.SHUT_RD)
