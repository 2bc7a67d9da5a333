"""On a real terminal: colour, and `--watch` until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.agents.terminal import Terminal
from tests.cli.far_side import PROJECT, Asked, FarSide, Said, ago, row, sessions, told

LIST = f"GET /api/projects/{PROJECT}/agent-sessions"
STREAM = f"{LIST}/stream"
PROGRAM = [sys.executable, "-m", "onduty.cli.main", "who"]


def _environment(**more: str) -> Mapping[str, str]:
    return {
        **{n: v for n, v in os.environ.items() if n not in ("NO_COLOR", "COLUMNS")},
        "TERM": "xterm-256color",
        **more,
    }


def _shown(folder: Path, **more: str) -> bytes:
    with Terminal(PROGRAM, _environment(**more), folder) as terminal:
        terminal.wait()
        terminal.wait_for("no turn open")
        return terminal._shown


def test_colour_on_a_terminal_unless_it_is_not_wanted(far_side: FarSide, tmp_path: Path) -> None:
    far_side.says[LIST] = sessions(row())
    assert b"\x1b[" in _shown(tmp_path)
    assert b"\x1b" not in _shown(tmp_path, NO_COLOR="1")
    assert b"\x1b" not in _shown(tmp_path, TERM="dumb")


def test_no_colour_in_a_pipe_even_where_it_is_forced(far_side: FarSide) -> None:
    far_side.says[LIST] = sessions(row())
    done = subprocess.run(PROGRAM, env=_environment(FORCE_COLOR="1"), capture_output=True)
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout


def test_a_reader_that_leaves_is_no_error(far_side: FarSide) -> None:
    far_side.says[LIST] = sessions(*(row(f"s{number}") for number in range(3000)))
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" "$@" | head -1', *PROGRAM],
        env=_environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "3000 on duty in shop. 0 waiting for a person.\n"), done.stderr
    assert done.stderr == ""


def test_a_stdout_that_is_full_or_closed(far_side: FarSide) -> None:
    far_side.says[LIST] = sessions(row())
    for redirection, code in ((">/dev/full", 70), (">&-", 0)):
        command = ["bash", "-c", f'"$0" "$@" {redirection}', *PROGRAM]
        assert subprocess.run(command, env=_environment(), capture_output=True).returncode == code


def test_a_stdout_without_the_glyphs_shows_the_rest(far_side: FarSide) -> None:
    far_side.says[LIST] = sessions(row(said="grüße"))
    done = subprocess.run(PROGRAM, env=_environment(PYTHONIOENCODING="ascii"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "? idle" in done.stdout


def test_watch_draws_again_until_ctrl_c(far_side: FarSide, tmp_path: Path) -> None:
    """What changes, and once a second the ages, by the server's clock."""
    more = threading.Event()

    def stream() -> Iterator[bytes]:
        yield told("snapshot", 1, sessions=[row("s1", last_activity_at=ago(41))])
        more.wait(20)
        yield told("session", 2, session=row("s2"))

    far_side.says[STREAM] = Said(stream=stream())
    with Terminal([*PROGRAM, "--watch"], _environment(), tmp_path) as terminal:
        terminal.wait_for("1 on duty in shop")
        terminal.wait_for("43 s")
        more.set()
        terminal.wait_for("2 on duty in shop")
        os.kill(terminal.pid, signal.SIGINT)
        assert terminal.wait() == 0
    asked = [asked for asked in far_side.asked if asked.path.endswith("/stream")]
    assert asked[0].query == {"state": "working,waiting,idle,quiet"}


def test_watch_in_a_pipe_is_an_object_a_line_for_each_change(far_side: FarSide) -> None:
    """It goes on from where it broke, and says so when the server is away."""
    gone, back = threading.Event(), threading.Event()

    def first() -> Iterator[bytes]:
        yield told("snapshot", 7, sessions=[row("s1")])
        gone.wait(20)

    def second() -> Iterator[bytes]:
        yield b": alive\nid: far:8\n\n"
        yield told("gone", 9, session_id="s1")
        gone.clear()
        gone.wait(20)

    def answer(asked: Asked) -> Said:
        if not gone.is_set():
            return Said(stream=first())
        return Said(stream=second()) if back.is_set() else Said({"error": "no", "code": "UNAVAILABLE"}, 503)

    far_side.says[STREAM] = answer
    process = subprocess.Popen(
        [*PROGRAM, "--watch", "--json"], env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.readline().startswith('{"sessions": [{"session_id": "s1"')
        gone.set()
        assert process.stderr.readline().startswith("No connection to the server since ")
        back.set()
        assert process.stderr.readline() == "The server is reached again.\n"
        assert process.stdout.readline() == '{"sessions": []}\n'
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")
    assert process.returncode == 0
    asked = [asked.headers.get("last-event-id") for asked in far_side.asked if asked.path.endswith("/stream")]
    assert (asked[0], asked[-1]) == (None, "far:7")


def test_watch_ends_where_the_token_is_taken_away(far_side: FarSide) -> None:
    answers = [
        Said(stream=[told("snapshot", 1, sessions=[row()])]),
        Said({"error": "no", "code": "UNAUTHENTICATED"}, 401),
    ]
    far_side.says[STREAM] = lambda asked: answers.pop(0) if len(answers) > 1 else answers[0]
    done = subprocess.run([*PROGRAM, "--watch"], env=_environment(), capture_output=True, timeout=20)
    assert done.returncode == 4


def test_watch_of_a_server_that_was_never_there_ends(far_side: FarSide) -> None:
    far_side.says[STREAM] = Said({"error": "no", "code": "UNAVAILABLE"}, 503)
    assert subprocess.run([*PROGRAM, "--watch"], env=_environment(), capture_output=True, timeout=20).returncode == 3


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_narrow_terminal_loses_no_word(far_side: FarSide, tmp_path: Path, columns: int) -> None:
    because = {"signal": "turn", "at": "2026-01-01T00:00:00Z"}
    far_side.says[LIST] = sessions(row(said="payments", state="working", because=because))
    with Terminal(PROGRAM, _environment(COLUMNS=str(columns)), tmp_path) as terminal:
        terminal.wait()
        time.sleep(0.2)
        shown = terminal._shown.decode()
    for word in ("working", "Ana", "41 s"):
        assert word in shown
