"""What may be told of the folder that an agent works in: its name and its branch."""

from __future__ import annotations

import os
import re

_FOLDERS_UP = 40


def name(folder: str) -> str:
    """The folder's own name, without the path to it."""
    return os.path.basename(folder.rstrip("/\\"))[:120]


def relative(text: str, folder: str) -> str:
    """The text with paths as they are named from the folder, and those of the person's home by `~`."""
    for path, short in ((folder.rstrip("/\\"), "."), (os.path.expanduser("~"), "~")):
        if len(path) > 1:
            text = text.replace(path + os.sep, "" if short == "." else short + os.sep)
            text = re.sub(re.escape(path) + r"(?![\w.-])", short, text)
    return text


def branch(folder: str) -> str:
    """The branch that is checked out there, '' where there is none (gitrepository-layout(5))."""
    for _ in range(_FOLDERS_UP):
        place = os.path.join(folder, ".git")
        if os.path.exists(place):
            return _of(place)
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    return ""


def _of(place: str) -> str:
    try:
        if os.path.isfile(place):
            # A worktree's or submodule's: the file says where its folder is.
            pointer = _read(place)
            place = os.path.join(os.path.dirname(place), pointer.partition("gitdir:")[2].strip())
        head = _read(os.path.join(place, "HEAD"))
    except (OSError, ValueError):
        return ""
    # Too long is refused, and a branch's end says more than its beginning.
    return head.partition("ref: refs/heads/")[2].strip()[-64:]


def _read(file: str) -> str:
    with open(file, encoding="utf-8") as opened:
        return opened.read(4096)
