"""Where the client program keeps its things on this machine: one folder, for its owner alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

NAME = "onduty-client"


def folder(environment: Mapping[str, str] | None = None) -> str:
    """`$XDG_DATA_HOME/onduty-client`, else below `~/.local/share`; elsewhere where such things are kept."""
    given = os.environ if environment is None else environment
    chosen = given.get("XDG_DATA_HOME", "")
    if os.path.isabs(chosen):
        return os.path.join(chosen, NAME)
    if sys.platform == "darwin":
        return os.path.join(home(given), "Library", "Application Support", NAME)
    if os.name == "nt":
        return os.path.join(given.get("LOCALAPPDATA") or os.path.join(home(given), "AppData", "Local"), NAME)
    return os.path.join(home(given), ".local", "share", NAME)


def home(environment: Mapping[str, str]) -> str:
    """The user's home."""
    return environment.get("HOME") or os.path.expanduser("~")


def program(root: str) -> str:
    """The installed program's own launcher, which hooks are told to start."""
    return os.path.join(root, "program", "onduty.py")


def agents_file(root: str) -> str:
    """Which clients are connected, to which server, with which token."""
    return os.path.join(root, "agents.json")


def state_file(root: str) -> str:
    """The machine's last stamp and what hooks tell one another."""
    return os.path.join(root, "state.json")


def spool_folder(root: str) -> str:
    return os.path.join(root, "spool")


def make(path: str) -> None:
    """Make a folder of ours, for its owner alone."""
    os.makedirs(path, mode=0o700, exist_ok=True)
