"""Lines as a shell splits them."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence


def line(words: Sequence[str]) -> str:
    """The words as one line of this system's shell."""
    return subprocess.list2cmdline(words) if os.name == "nt" else " ".join(shlex.quote(word) for word in words)
