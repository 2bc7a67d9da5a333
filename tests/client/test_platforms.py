"""The code paths of Windows and macOS, as far as they can be run elsewhere; docs/connect.md lists what cannot."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from onduty.client import checks, locked, place, processes, shell, spool

WINDOWS_PYTHON = r"C:\Program Files\Python312\python.exe"
WINDOWS_PROGRAM = r"C:\Users\ada\AppData\Local\onduty-client\program\onduty.py"
PS = """
    1     0 Tue Nov 24 07:00:00 2026     /sbin/launchd
  400     1 Tue Nov 24 08:01:02 2026     /Applications/My Term.app/term
  401   400 Tue Nov 24 08:01:03 2026     -zsh
  500   401 Tue Nov 24 08:05:00 2026     claude
  501   500 Tue Nov 24 08:05:01 2026     /bin/sh
"""


class Locks(ModuleType):
    """`msvcrt` of Windows: bytes that somebody holds cannot be locked, for so many tries."""

    LK_NBLCK = 2

    def __init__(self, refusals: int) -> None:
        super().__init__("msvcrt")
        self.refusals = refusals
        self.taken: list[tuple[int, int]] = []

    def locking(self, handle: int, mode: int, count: int) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise PermissionError(13, "Permission denied")
        self.taken.append((os.lseek(handle, 0, os.SEEK_CUR), count))


def on_windows(monkeypatch: pytest.MonkeyPatch, refusals: int = 0) -> Locks:
    locks = Locks(refusals)
    monkeypatch.setattr(locked, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", locks)
    return locks


def test_the_spool_of_windows_waits_for_who_holds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The byte that is locked lies beyond all content: what is locked cannot be read there."""
    locks = on_windows(monkeypatch, refusals=3)
    heading = {"origin": "http://a"}
    for number in range(3):
        spool.add(str(tmp_path), heading, {"id": str(number)})
    assert [event["id"] for event in spool.waiting(str(tmp_path), heading)] == ["0", "1", "2"]
    assert set(locks.taken) == {(1 << 30, 1)}
    [file] = Path(place.spool_folder(str(tmp_path))).iterdir()
    assert file.stat().st_size < 1000


def test_on_windows_too_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_windows(monkeypatch, refusals=10_000)
    with pytest.raises(locked.Busy):
        spool.add(str(tmp_path), {"origin": "http://a"}, {"id": "1"})


def test_on_windows_bytes_are_written_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else each line end would be two bytes there, and the file be cut too short."""
    flags: list[int] = []
    opened = os.open

    def watched(path: str, flag: int, mode: int = 0o777) -> int:
        flags.append(flag)
        return opened(path, flag & ~0x8000_0000, mode)

    monkeypatch.setattr(os, "O_BINARY", 0x8000_0000, raising=False)
    monkeypatch.setattr(os, "open", watched)
    with locked.held(str(tmp_path / "file")):
        pass
    assert flags[0] & 0x8000_0000


def test_a_line_of_windows_is_one_for_both_its_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        line = shell.line([WINDOWS_PYTHON, "-I", "-S", WINDOWS_PROGRAM, "hook", "claude", "Stop"])
    words = [
        WINDOWS_PYTHON.replace("\\", "/"),
        "-I",
        "-S",
        WINDOWS_PROGRAM.replace("\\", "/"),
        "hook",
        "claude",
        "Stop",
    ]
    assert shlex.split(line) == words
    # As Microsoft's C runtime takes a line apart: quotes hold a word together, and no backslash is near one.
    assert [word.strip('"') for word in line.replace('"C:/Program Files', '"C:/Program_Files').split(" ")] == [
        words[0].replace("Program Files", "Program_Files"),
        *words[1:],
    ]
    assert subprocess.list2cmdline(words) == line


@pytest.mark.parametrize(
    ("platform", "name", "environment", "folder"),
    [
        ("darwin", "posix", {"HOME": "/Users/ada"}, "/Users/ada/Library/Application Support/onduty-client"),
        (
            "win32",
            "nt",
            {"HOME": "C:/ada", "LOCALAPPDATA": "C:/ada/AppData/Local"},
            "C:/ada/AppData/Local/onduty-client",
        ),
        ("win32", "nt", {"HOME": "C:/ada"}, "C:/ada/AppData/Local/onduty-client"),
        ("linux", "posix", {"HOME": "/home/ada"}, "/home/ada/.local/share/onduty-client"),
        ("darwin", "posix", {"HOME": "/Users/ada", "XDG_DATA_HOME": "/data"}, "/data/onduty-client"),
    ],
)
def test_where_things_are_kept(
    monkeypatch: pytest.MonkeyPatch, platform: str, name: str, environment: dict[str, str], folder: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", platform)
        patched.setattr(os, "name", name)
        found = place.folder(environment)
    assert found == folder


def test_on_macos_the_client_is_the_nearest_process_that_is_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what `ps` says, with start times to the second and login shells by their dash."""
    said = {"sysctl": "5B7A1C9E-0000-4000-8000-000000000000\n", "ps": PS}
    monkeypatch.setattr(processes, "PLATFORM", "darwin")
    monkeypatch.setattr(processes, "_said", lambda command: said[command[0]])
    monkeypatch.setattr(os, "getppid", lambda: 501)
    assert processes.client() == {
        "boot": "5B7A1C9E-0000-4000-8000-000000000000",
        "pid": 500,
        "started": "Tue Nov 24 08:05:00 2026",
        "parents": [
            {"pid": 401, "started": "Tue Nov 24 08:01:03 2026"},
            {"pid": 400, "started": "Tue Nov 24 08:01:02 2026"},
        ],
    }
    assert processes.client(500) == processes.client()


@pytest.mark.parametrize(("platform", "said"), [("win32", PS), ("darwin", "")])
def test_where_the_process_cannot_be_known_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, platform: str, said: str
) -> None:
    """On Windows, and where `ps` says nothing in time; then the client's own id alone counts."""
    monkeypatch.setattr(processes, "PLATFORM", platform)
    monkeypatch.setattr(processes, "_said", lambda command: said)
    assert processes.client() is None


def test_modes_are_looked_at_where_there_are_any(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    root = str(tmp_path)
    assert [check.mend for check in checks._private(root)] == [f"chmod 700 '{root}'"]
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        found = list(checks._private(root))
    assert found == []
