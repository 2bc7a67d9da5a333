"""A file that one process at a time reads and writes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PATIENCE_S = 0.2
_PAUSE_S = 0.002


class Busy(Exception):  # noqa: N818
    """Somebody else holds the file for longer than we may wait."""


@contextlib.contextmanager
def held(path: str, patience_s: float = PATIENCE_S) -> Iterator[int]:
    """The open file, 0600, held alone; it is made where it is not there. Busy, OSError."""
    # Windows would write other line ends than it is given, and cut the file at the wrong place.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, 0o600)
    try:
        _take(handle, patience_s)
        yield handle
    finally:
        os.close(handle)


def _take(handle: int, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            _lock(handle)
            return
        except OSError:
            if time.monotonic() > until:
                raise Busy from None
            time.sleep(_PAUSE_S)


def _lock(handle: int) -> None:
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt

    # A byte that nobody writes: locked bytes cannot be read on Windows.
    os.lseek(handle, 1 << 30, os.SEEK_SET)
    windows: Any = msvcrt
    windows.locking(handle, windows.LK_NBLCK, 1)


def content(handle: int) -> bytes:
    """All that the file holds."""
    os.lseek(handle, 0, os.SEEK_SET)
    parts = []
    while chunk := os.read(handle, 1 << 20):
        parts.append(chunk)
    return b"".join(parts)


def replace(handle: int, text: bytes) -> None:
    """Write `text` in the place of all that the file holds."""
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, text)
    os.ftruncate(handle, len(text))
