"""A way to a PostgreSQL server that breaks: everything goes through, for so many connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Way:
    """`port` leads to the server; with the connection after `last` it is cut for good, and all that is open."""

    server: int
    last: int
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    open: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    def run(self) -> None:
        with suppress(OSError):
            while len(self.open) < 2 * self.last:
                there, _ = self.listening.accept()
                here = socket.create_connection(("127.0.0.1", self.server))
                self.open += [there, here]
                for pair in ((there, here), (here, there)):
                    threading.Thread(target=_pass_on, args=pair, daemon=True).start()
            self.listening.accept()[0].close()
        self.cut()

    def cut(self) -> None:
        for each in (self.listening, *self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def way_to(server: int, last: int) -> Iterator[Way]:
    way = Way(server, last)
    threading.Thread(target=way.run, daemon=True).start()
    try:
        yield way
    finally:
        way.cut()
