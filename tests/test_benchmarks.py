"""The benchmarks run: each row comes out, beside a baseline. How fast anything is, no test says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.__main__ import ROWS
from tests.database.postgres import needed
from tests.structure.sources import ROOT


def test_every_row_stands_beside_a_baseline(tmp_path: Path) -> None:
    needed()
    written = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(written)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    told = json.loads(written.read_text())
    assert {figure["row"] for figure in told["figures"]} == set(ROWS)
    assert all(figure["baseline"] > 0 and figure["baseline_is"] for figure in told["figures"])
    assert all(row in done.stdout for row in ROWS)
    assert told["machine"]["cores"] >= 1


def test_a_row_that_there_is_not_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks", "no-such-row"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no-such-row" in done.stderr
