"""From start to ready, and what of it is importing."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections import Counter

from benchmarks.figure import Figure, alternated, below
from benchmarks.subjects import UNLIMITED, Bench, agents

# What `onduty serve` imports before it is ready, and what it imports when first needed.
_AT_START = "import onduty.cli.main, onduty.cli.serve, onduty.server, uvicorn.protocols.http.httptools_impl"
_LATER = "import onduty.mcp.offering, mcp.server.streamable_http_manager, alembic.command"
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +(\S+)")
_SHOWN = 12


def start(bench: Bench) -> list[Figure]:
    """Start to ready with 10 000 sessions kept, less a process that only imports the same."""
    count = bench.sized(10_000, 500)
    with bench.onduty(UNLIMITED) as server:
        agents(server, count)

        def until_ready() -> float:
            server.stop()
            began = time.perf_counter()
            server.restart()
            return time.perf_counter() - began

        ready, imports = alternated(1 if bench.quick else 5, until_ready, lambda: _wall(_AT_START))
    whole, importing = statistics.median(ready), statistics.median(imports)
    beyond = (whole - importing) * 1000
    what = f"start to ready, {count} sessions kept, beyond its imports"
    more = {"start to ready ms": whole * 1000}
    goal = below(500, "ms", beyond)
    return [Figure("start", what, "ms", beyond, importing * 1000, "its imports alone", goal, more)]


def imports(bench: Bench) -> list[Figure]:
    """Import time by package, each module's own summed, medians; beside Python's own start."""
    rounds = 1 if bench.quick else 5
    nothing = _median([_by_package("pass") for _ in range(rounds)])
    at_start = _median([_by_package(_AT_START) for _ in range(rounds)])
    with_later = _median([_by_package(f"{_AT_START}; {_LATER}") for _ in range(rounds)])
    later = Counter({name: each - at_start[name] for name, each in with_later.items()})
    more: dict[str, float] = dict(at_start.most_common(_SHOWN))
    more |= {f"{name}, when first needed": each for name, each in later.most_common(4)}
    what = "import time at start, by package"
    whole, base = (sum(found.values()) for found in (at_start, nothing))
    return [Figure("imports", what, "ms", whole, base, "python -c pass", more=more)]


def _wall(program: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - began


def _by_package(program: str) -> Counter[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program], capture_output=True, text=True, check=True
    )
    found: Counter[str] = Counter()
    for micros, module in _LINE.findall(done.stderr):
        package = module.partition(".")[0]
        found["standard library" if package in sys.stdlib_module_names else package] += int(micros) / 1000  # type: ignore[assignment]
    return found


def _median(found: list[Counter[str]]) -> Counter[str]:
    names = {name for each in found for name in each}
    return Counter({name: statistics.median(each[name] for each in found) for name in names})
