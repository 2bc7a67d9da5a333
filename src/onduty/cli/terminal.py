"""What stands on stdout: tables in colour for a terminal, plain and wide for a pipe, and JSON."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from onduty.cleaning import clean

if TYPE_CHECKING:
    from rich.text import Text

_PIPE_WIDTH = 100_000


def as_json(value: Any, one_line: bool = False) -> str:
    """JSON in ASCII, so that nothing that a client sent is a control code on the terminal."""
    return json.dumps(value, indent=None if one_line else 2).replace("\x7f", "\\u007f")


def is_terminal() -> bool:
    """Whether stdout is a terminal that can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """How wide what is drawn may be: the terminal's width; for a pipe so much that nothing is cut or wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE_WIDTH


def safe(words: object, style: str = "") -> "Text":
    """Words from outside as a cell: cleaned, and never read as markup."""
    from rich.text import Text

    return Text(clean(str(words)), style=style)


def table(headers: Sequence[str], rows: Iterable[Sequence["Text"]], wraps: Sequence[str] = ()) -> str:
    """The rows under their headers, as text. On a narrow terminal the columns in `wraps` give way first."""
    from rich.table import Table

    drawn = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
        show_header=any(header.strip() for header in headers),
    )
    for header in headers:
        drawn.add_column(header, no_wrap=header not in wraps, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    return drawn_as_text(drawn)


def drawn_as_text(drawn: Any) -> str:
    """What rich draws, as lines that end where their words do."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(
        file=sys.stdout,
        force_terminal=terminal,
        color_system=None if os.environ.get("NO_COLOR") or not terminal else "auto",
        width=columns(),
        markup=False,
        highlight=False,
        emoji=False,
    )
    with console.capture() as capture:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
