"""`python -m benchmarks [ROW …] [--quick] [--json FILE]`: figures beside their baselines (design.md section 6)."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import calls, growth, holding, hot, pages, start_up, starts, table
from benchmarks.figure import Figure
from benchmarks.loading import Load
from benchmarks.subjects import Bench
from tests.database.postgres import programs

ROWS: Final[dict[str, Callable[[Bench], list[Figure]]]] = {
    "list": hot.listed,
    "not-modified": hot.not_modified,
    "list-activity": hot.list_after_activity,
    "activity": hot.activity,
    "list-many": hot.list_many,
    "clients": hot.fifty_clients,
    "starts": starts.registers,
    "mcp-starts": starts.mcp_clients,
    "mcp": calls.tool_calls,
    "memory": holding.sessions_held,
    "streams": holding.streams_held,
    "page": pages.who_is_on_duty,
    "live": holding.live_held,
    "start": start_up.start,
    "imports": start_up.imports,
    "growth": growth.growth,
}


def main() -> int:
    """0 when all was measured, whatever came out; 2 for a row that there is not, or no Linux."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; without one: all")
    parser.add_argument("--quick", action="store_true", help="small and short: shows that it runs, not how fast")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if not sys.platform.startswith("linux"):
        parser.error("CPU time and memory are read from /proc: this runs on Linux")
    if programs() is None and (not asked.rows or "growth" in asked.rows):
        parser.error("growth is measured on PostgreSQL too, which is not installed (Debian: postgresql)")
    figures = measured([name for name in ROWS if name in asked.rows or not asked.rows], quick=asked.quick)
    table.show(figures, Console(width=None if sys.stdout.isatty() else 160))
    if asked.json is not None:
        asked.json.write_text(table.as_json(figures))
    return 0


def measured(rows: list[str], *, quick: bool) -> list[Figure]:
    """The figures of these rows, one after the other."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="onduty-benchmarks-") as folder, Load() as load:
        bench = Bench(Path(folder), load, quick)
        try:
            for row in rows:
                sys.stderr.write(f"{row} …\n")
                found += ROWS[row](bench)
        finally:
            bench.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
