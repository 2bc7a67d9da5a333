"""The figures as a table for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.figure import Figure
from benchmarks.machine import described

_MET = {True: "yes", False: "NO", None: ""}


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the table, and below it what else was measured."""
    machine = described()
    console.print(f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {machine['system']}")
    table = Table("", "what", "onduty", "baseline", "", "ratio", "goal", "met", box=None, pad_edge=False)
    for name in ("onduty", "baseline", "ratio"):
        next(column for column in table.columns if column.header == name).justify = "right"
    for each in figures:
        ours, base = (f"{_number(value)} {each.unit}" for value in (each.ours, each.baseline))
        words = (each.row, each.what, ours, base, each.baseline_is, f"{each.ratio:.2f}", each.goal.words)
        table.add_row(*words, _MET[each.goal.met])
    console.print(table)
    for each in figures:
        if each.more:
            more = " · ".join(f"{name} {_number(value)}" for name, value in each.more.items())
            console.print(f"{each.row}: {each.what}\n  {more}", highlight=False)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_json(figures: Sequence[Figure]) -> str:
    """The same, with the machine."""
    rows = [asdict(each) | {"ratio": each.ratio} for each in figures]
    return json.dumps({"machine": described(), "figures": rows}, ensure_ascii=False, indent=2) + "\n"
