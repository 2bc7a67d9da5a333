"""`onduty who --watch`: looks every 2 s, and shows what is new until Ctrl-C."""

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from onduty.cli.failure import NOT_REACHED, OUR_FAULT, code_of, say
from onduty.cli.terminal import is_terminal
from onduty.client.api import NotReached, Refused
from onduty.clock import Instant
from onduty.wording import time_of_day

EVERY_S = 2.0
Rows = list[dict[str, Any]]


def watch(read: Callable[[], tuple[Rows, Instant]], show: Callable[[Rows, Instant], str], in_place: bool) -> int:
    """Show what `read` finds whenever it is new, until Ctrl-C, which is exit code 0.

    On a terminal (where `in_place`) one picture is drawn over the last; elsewhere each change is printed under it.
    A server that goes away is waited for; one that was never there, or refuses, is an error.
    """
    try:
        rows, now = read()
        if in_place and is_terminal():
            _in_place(read, show, rows, now)
        else:
            _one_under_another(read, show, rows, now)
    except KeyboardInterrupt:
        pass
    return 0


def _one_under_another(
    read: Callable[[], tuple[Rows, Instant]], show: Callable[[Rows, Instant], str], rows: Rows, now: Instant
) -> None:
    print(show(rows, now), flush=True)
    last, connection = rows, _Connection(now)
    while True:
        _wait()
        found = connection.attempt(read)
        if connection.changed:
            say(connection.line or "The server is reached again.")
        if found is not None and found[0] != last:
            last, now = found
            print(show(last, now), flush=True)


def _in_place(
    read: Callable[[], tuple[Rows, Instant]], show: Callable[[Rows, Instant], str], rows: Rows, now: Instant
) -> None:
    connection, drawn = _Connection(now), ""
    with _other_screen():
        while True:
            picture = (f"{connection.line}\n" if connection.line else "") + show(rows, now)
            picture = _fitted(picture)
            if picture != drawn:
                sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in picture.splitlines()) + "\x1b[J")
                sys.stdout.flush()
                drawn = picture
            _wait()
            if (newer := connection.attempt(read)) is not None:
                rows, now = newer


def _wait() -> None:
    threading.Event().wait(EVERY_S)


@dataclass(slots=True)
class _Connection:
    """Since when the server is away, by its own clock as it was heard last; the line that says so."""

    heard_at: Instant
    line: str = ""
    changed: bool = field(default=False)

    def attempt(self, read: Callable[[], tuple[Rows, Instant]]) -> tuple[Rows, Instant] | None:
        """What is read, None while the server is away. What will not pass by itself is raised."""
        before, found = self.line, None
        try:
            found = read()
            self.line, self.heard_at = "", found[1]
        except (NotReached, Refused) as error:
            if isinstance(error, Refused) and code_of(error.status) not in (NOT_REACHED, OUR_FAULT):
                raise
            self.line = f"No connection to the server since {time_of_day(self.heard_at)}. What you see was true then."
        self.changed = bool(before) != bool(self.line)
        return found


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
