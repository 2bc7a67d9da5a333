"""Who is on duty as a table: waits first, then who came first; a child under its parent."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onduty.cleaning import clean
from onduty.cli.terminal import columns, safe, table
from onduty.clock import Instant
from onduty.ordering import Row, in_order
from onduty.wording import age_of, why

if TYPE_CHECKING:
    from rich.text import Text

_HEADERS = ("STATE", "AGENT", "ROLE", "WHOSE", "MACHINE", "WHAT", "SINCE", "LAST SIGN", "WHY")
_WRAPS = ("AGENT", "ROLE", "WHOSE", "MACHINE", "WHAT", "WHY")
_NOTHING = "-"
# Nine columns below this width would break words.
_NARROW = 110
# Shape and word carry the meaning; colour only repeats it. Glyph, its colour, the word's.
_DRAWN = {
    "working": ("●", "green", ""),
    "waiting": ("?", "bold yellow", "bold yellow"),
    "idle": ("○", "bright_black", "bright_black"),
    "quiet": ("◌", "magenta", "magenta"),
    "lost": ("✗", "red", "red"),
    "ended": ("-", "bright_black", "bright_black"),
}


def roster(rows: Sequence[Row], me: Mapping[str, Any], project_name: str, now: Instant) -> str:
    """The headline, which is the answer, and the rows under it."""
    name = clean(project_name)
    if not rows:
        return f"Nobody is on duty in {name}."
    waiting = sum(row["state"] == "waiting" for row in rows)
    headline = f"{len(rows)} on duty in {name}. {waiting} waiting for a person."
    drawn = [_cells(row, depth, me, now) for row, depth in in_order(rows, me["user_id"])]
    if columns() < _NARROW:
        return f"{headline}\n\n{table(('', ' '), map(_stacked, drawn), ' ')}"
    return f"{headline}\n\n{table(_HEADERS, drawn, _WRAPS)}"


def _cells(row: Row, depth: int, me: Mapping[str, Any], now: Instant) -> list["Text"]:
    from rich.text import Text

    glyph, glyph_style, style = _DRAWN.get(row["state"], ("*", "", ""))
    state = safe(glyph, glyph_style).append(" ").append_text(safe(row["state"], style))
    agent = safe(row["caller_origin"] or _NOTHING)
    if depth:
        agent = Text("  " * (depth - 1) + "└ ").append_text(agent)
    whose = me["name"] if row["user_id"] == me["user_id"] else row["user_id"]
    return [
        state,
        agent,
        safe(row["caller_role"] or _NOTHING),
        safe(whose),
        safe(row["machine_id"]),
        safe(_what(row)),
        safe(age_of(row["connected_at"], now)),
        safe(age_of(row["last_activity_at"], now)),
        safe(why(row, now)),
    ]


def _stacked(cells: list["Text"]) -> list["Text"]:
    """The same cells for a narrow terminal: the state, and beside it who and where, what, why and since when."""
    from rich.text import Text

    state, agent, role, whose, machine, what, since, last, reason = cells
    who = Text(" · ").join(cell for cell in (agent, role, whose, machine) if cell.plain != _NOTHING)
    times = Text("since ").append_text(since).append(" · last sign of life ").append_text(last)
    return [state, Text("\n").join([who, *([what] if what.plain != _NOTHING else []), reason, times])]


def _what(row: Row) -> str:
    place = " in ".join(part for part in (row.get("branch"), row.get("folder")) if part)
    return row.get("said") or place or _NOTHING
