"""`onduty who --watch`: what the server tells live, until Ctrl-C; ages go on once a second."""

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from onduty.cli.failure import say
from onduty.cli.following import Following
from onduty.cli.terminal import is_terminal
from onduty.clock import Instant
from onduty.wording import time_of_day

_AGES_S = 1.0
_LONG_S = 3600.0
Show = Callable[[list[dict[str, Any]], Instant], str]


def watch(following: Following, show: Show, in_place: bool) -> int:
    """Show who is on duty whenever that is new, until Ctrl-C, which is exit code 0.

    On a terminal (where `in_place`) one picture is drawn over the last; elsewhere each change is printed under it.
    A server that goes away is waited for; one that was never there, or refuses, is an error.
    """
    try:
        following.begin()
        if in_place and is_terminal():
            _in_place(following, show)
        else:
            _one_under_another(following, show)
    except KeyboardInterrupt:
        pass
    return 0


def _one_under_another(following: Following, show: Show) -> None:
    shown: list[dict[str, Any]] | None = None
    was_reached = True
    while True:
        if following.is_reached != was_reached:
            was_reached = following.is_reached
            say("The server is reached again." if was_reached else _lost(following))
        if (rows := following.in_order()) != shown:
            shown = rows
            print(show(rows, following.now()), flush=True)
            # What changes meanwhile is printed together.
            threading.Event().wait(_AGES_S)
        following.wait(_LONG_S)


def _in_place(following: Following, show: Show) -> None:
    drawn = ""
    with _other_screen():
        while True:
            line = "" if following.is_reached else f"{_lost(following)}\n"
            picture = _fitted(line + show(following.in_order(), following.now()))
            if picture != drawn:
                sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in picture.splitlines()) + "\x1b[J")
                sys.stdout.flush()
                drawn = picture
            following.wait(_AGES_S)


def _lost(following: Following) -> str:
    return f"No connection to the server since {time_of_day(following.heard_at)}. What you see was true then."


@contextmanager
def _other_screen() -> Iterator[None]:
    # What stood on the terminal before is there again afterwards.
    sys.stdout.write("\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J")
    try:
        yield
    finally:
        sys.stdout.write("\x1b[?25h\x1b[?1049l")
        sys.stdout.flush()


def _fitted(picture: str) -> str:
    """As many lines as the terminal has, the last of which says how many there are not."""
    lines, height = picture.splitlines(), shutil.get_terminal_size().lines - 1
    if len(lines) > height:
        hidden = len(lines) - height + 1
        lines = [*lines[: height - 1], f"{hidden} more lines do not fit here."]
    return "\n".join(lines)
