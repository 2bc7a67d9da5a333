"""Which process an agent client is, so that a change of its own id is not taken for another agent.

Linux and macOS; elsewhere nothing is told, and the client's own id alone counts.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_SHELLS = {"sh", "bash", "dash", "zsh", "fish", "ksh", "ash", "busybox", "env", "timeout"}
_DEEPEST = 16
PLATFORM: str = sys.platform

# (process id, its parent's, when it was started, in its system's own words, its name)
_Process = tuple[int, int, str, str]


def client(pid: int | None = None) -> dict[str, Any] | None:
    """The agent client above this hook, or the process `pid`: `{boot, pid, started, parents: [{pid, started}]}`."""
    boot = _boot()
    chain = _above() if pid is None else _chain(pid)
    if not boot or not chain:
        return None
    own, *parents = ({"pid": each[0], "started": each[2]} for each in chain)
    return {"boot": boot, **own, "parents": parents}


def nearest() -> int | None:
    """The process above this hook that is no shell, where it can be known."""
    chain = _above()
    return chain[0][0] if chain else None


def arguments(pid: int) -> list[str]:
    """What the process was started with, its name included. [] where that cannot be told (proc_pid_cmdline(5))."""
    try:
        if PLATFORM == "linux":
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                return file.read().split("\0")[:-1]
        if PLATFORM == "darwin":
            return _said(["ps", "-o", "args=", "-p", str(pid)]).split()
    except OSError:
        pass
    return []


def _above() -> list[_Process]:
    chain = _chain(os.getppid())
    while chain and chain[0][3] in _SHELLS:
        chain = chain[1:]
    return chain


def _chain(pid: int) -> list[_Process]:
    look_up = _of_linux if PLATFORM == "linux" else _of_macos() if PLATFORM == "darwin" else _unknown
    found: list[_Process] = []
    while pid > 1 and len(found) < _DEEPEST:
        process = look_up(pid)
        if process is None:
            break
        found.append(process)
        pid = process[1]
    return found


def _unknown(pid: int) -> _Process | None:
    return None


def _boot() -> str:
    try:
        if PLATFORM == "linux":
            with open("/proc/sys/kernel/random/boot_id") as file:
                return file.read().strip()
        if PLATFORM == "darwin":
            return _said(["sysctl", "-n", "kern.bootsessionuuid"]).strip()
    except OSError:
        pass
    return ""


def _of_linux(pid: int) -> _Process | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    # The name stands in parentheses and may hold any character (proc_pid_stat(5)).
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return (pid, int(fields[1]), fields[19], name) if len(fields) > 19 else None


def _of_macos() -> Any:
    table: dict[int, _Process] = {}
    for line in _said(["ps", "-axo", "pid=,ppid=,lstart=,comm="]).splitlines():
        words = line.split(None, 7)
        if len(words) == 8 and words[0].isdigit() and words[1].isdigit():
            name = os.path.basename(words[7]).lstrip("-")
            table[int(words[0])] = (int(words[0]), int(words[1]), " ".join(words[2:7]), name)
    return table.get


def _said(command: list[str]) -> str:
    import subprocess

    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=0.3, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
