"""Files of this machine, written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile


def read(path: str) -> bytes | None:
    """What the file holds, None where it is not there. OSError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path: str, content: bytes, mode: int | None = None) -> None:
    """Put this content in the file's place at once; it keeps its mode and, if it is linked, its link. OSError.

    `mode` is that of a new file, and of one that is there if it is named; 0600 unless it is.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if mode is None:
        try:
            mode = stat.S_IMODE(os.stat(target).st_mode)
        except FileNotFoundError:
            mode = 0o600
    handle, name = tempfile.mkstemp(prefix=".onduty-", dir=folder)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
