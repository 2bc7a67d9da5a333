"""The order in which people are shown who is on duty, and who stands under whom."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
"""A session as the API answers it."""


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
