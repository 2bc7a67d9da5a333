"""Lines as a shell splits them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

_PLAIN = re.compile(r"[\w.:/=-]+", re.ASCII)


def line(words: Sequence[str]) -> str:
    """The words as one line of this system's shell; on Windows of cmd.exe and of the bash that comes with git."""
    return " ".join(_on_windows(word) if os.name == "nt" else shlex.quote(word) for word in words)


def _on_windows(word: str) -> str:
    # Both take slashes in a path; a backslash outside of quotes bash would eat.
    word = word.replace("\\", "/")
    return word if _PLAIN.fullmatch(word) else f'"{word}"'
