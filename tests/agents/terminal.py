"""A program in a pseudo-terminal: what it shows, what is typed into it, how it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROWS, COLUMNS = 50, 160
TYPING_PAUSE_SECONDS = 0.3
LEAVING_SECONDS = 5.0
_CONTROL = re.compile(
    r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|\[[0-?]*[ -/]*[@-~]|[PX^_].*?\x1b\\|[@-Z\\-_])|[\x00-\x09\x0b-\x1f]",
    re.DOTALL,
)


class Terminal:
    """Starts `command` in a terminal of 50 rows; leaving the `with` statement kills the program if it still runs."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self._shown = b""
        self._lock = threading.Lock()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        try:
            self._process = subprocess.Popen(
                command, env=env, cwd=folder, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
            )
        finally:
            os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        os.close(self._master)

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the program still runs."""
        return self._process.poll() is None

    def text(self) -> str:
        """All that was shown so far, less control sequences and white space: programs move the cursor instead."""
        with self._lock:
            shown = self._shown.decode(errors="replace")
        return re.sub(r"\s+", "", _CONTROL.sub("", shown))

    def wait_for(self, text: str, seconds: float = 30.0) -> None:
        """Waits until the program has shown `text`, white space aside, be it earlier. Raises TimeoutError."""
        wanted = re.sub(r"\s+", "", text)
        until = time.monotonic() + seconds
        while wanted not in self.text():
            if time.monotonic() > until:
                raise TimeoutError(f"{text!r} was not shown within {seconds} s, but: {self.text()[-2000:]}")
            time.sleep(0.1)

    def type(self, text: str) -> None:
        """Types raw text, control characters included."""
        os.write(self._master, text.encode())

    def enter(self, text: str) -> None:
        """Types a line and then the return key, with a pause between: what comes in one piece counts as pasted."""
        self.type(text)
        time.sleep(TYPING_PAUSE_SECONDS)
        self.type("\r")

    def kill(self) -> None:
        """Ends the program and its children at once, as `kill -9` does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(LEAVING_SECONDS)

    def wait(self, seconds: float = LEAVING_SECONDS) -> int:
        """Waits until the program ends by itself and returns its exit code. Raises subprocess.TimeoutExpired."""
        return self._process.wait(seconds)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(self._master, 65536):
                with self._lock:
                    self._shown += chunk
