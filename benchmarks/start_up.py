"""From start to ready, and what of it is importing.

`begun` starts a server whose process first imports what `onduty serve` imports, says so, and then does what the program
does: so what is beyond its imports is measured in that very process, and not as the difference of two that swing.
"""

from __future__ import annotations

import re
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.figure import Figure, below, median
from benchmarks.subjects import UNLIMITED, Bench, agents
from tests.serving import Server
from tests.wheel import from_the_wheel, onduty

# What `onduty serve` imports before it is ready, and what it imports when first needed.
_AT_START = "import onduty.cli.main, onduty.cli.serve, onduty.server, uvicorn.protocols.http.httptools_impl"
_LATER = "import onduty.mcp.offering, mcp.server.streamable_http_manager, alembic.command"
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +(\S+)")
_SHOWN = 12


_ON_POSTGRESQL: Final = "import asyncpg, sqlalchemy.ext.asyncio"
_SERVE: Final = """
print("imported", flush=True)
import sys
sys.argv = ["onduty", "serve"]
onduty.cli.main.main()
"""
_ASKED: Final = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Started(NamedTuple):
    """Seconds that a start imported for, and from then on until the server said that it was ready."""

    imports: float
    beyond: float


def begun(server: Server) -> Started:
    """Start a stopped server's data once, and kill what was started."""
    imports = [_AT_START, *([_ON_POSTGRESQL] if "ONDUTY_DATABASE" in server.environment else [])]
    program = "\n".join([*imports, _SERVE])
    python = Path(onduty()[0]).with_name("python") if from_the_wheel() else Path(sys.executable)
    environment = server._its_environment()
    began = time.perf_counter()
    with (
        server.log.open("a") as log,
        subprocess.Popen(
            [python, "-c", program], stdout=subprocess.PIPE, stderr=log, env=environment, cwd=server.folder
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"imported\n", server.log.read_text()
            imported = time.perf_counter()
            _await_ready(server.port)
            return Started(imported - began, time.perf_counter() - imported)
        finally:
            process.terminate()
            process.wait()


def _await_ready(port: int) -> None:
    """The address is bound at the very first, and what is asked there is answered once the server is ready."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(_ASKED)
                assert connection.recv(65536).startswith(b"HTTP/1.1 200")
                return
        except ConnectionRefusedError:
            time.sleep(0.001)


def start(bench: Bench) -> list[Figure]:
    """Start to ready with 10 000 sessions kept, beyond the imports of the very same process."""
    count = bench.sized(10_000, 500)
    with bench.onduty(UNLIMITED) as server:
        agents(server, count)
        server.stop()
        starts = [begun(server) for _ in range(bench.rounds)]
        server.restart()
    beyond, importing = (
        median(starts, lambda each: each.beyond * 1000),
        median(starts, lambda each: each.imports * 1000),
    )
    what = f"start to ready, {count} sessions kept, beyond its imports"
    more = {"start to ready ms": beyond + importing, "slowest ms": max(each.beyond for each in starts) * 1000}
    return [Figure("start", what, "ms", beyond, importing, "its imports", below(500, "ms", beyond), more)]


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
