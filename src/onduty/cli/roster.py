"""Who is on duty as a table: waits first, then who came first; a child under its parent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onduty.cleaning import clean
from onduty.cli.terminal import columns, safe, table
from onduty.cli.words import age_of, why
from onduty.clock import Instant

if TYPE_CHECKING:
    from rich.text import Text

Row = Mapping[str, Any]

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


def in_order(rows: Sequence[Row], user_id: str) -> Iterator[tuple[Row, int]]:
    """Each row once, with its depth under its parents. Never by last activity: a row that works must not move."""
    waits = [row for row in rows if row["state"] == "waiting"]
    waits.sort(key=lambda row: (row["user_id"] != user_id, row["because"]["at"], row["session_id"]))
    rest = [row for row in rows if row["state"] != "waiting"]
    rest.sort(key=lambda row: (row["connected_at"], row["session_id"]))
    known = {row["session_id"] for row in rows}
    children: dict[str, list[Row]] = {}
    for row in rest:
        if row.get("parent_session_id") in known:
            children.setdefault(row["parent_session_id"], []).append(row)
    seen: set[str] = set()
    tops = [row for row in rest if row.get("parent_session_id") not in known]
    # `rest` once more: rows that are one another's parents stand under none, and are shown all the same.
    for row in [*waits, *tops, *rest]:
        yield from _with_children(row, 0, children, seen)


def _with_children(
    row: Row, depth: int, children: Mapping[str, list[Row]], seen: set[str]
) -> Iterator[tuple[Row, int]]:
    due = [(row, depth)]
    while due:
        row, depth = due.pop()
        if row["session_id"] in seen:
            continue
        seen.add(row["session_id"])
        yield row, depth
        due += [(child, depth + 1) for child in reversed(children.get(row["session_id"], []))]


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
