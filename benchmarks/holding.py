"""What the server's memory holds: 10 000 active sessions, and open streams."""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.figure import Figure, Goal, below
from benchmarks.loading import request
from benchmarks.machine import memory, open_many_files
from benchmarks.speaking import ERAS, tool_call, wire_id
from benchmarks.subjects import UNLIMITED, Bench, agents, other
from tests.serving import Server
from tests.watching import stream_of, watch

_MB = 1024 * 1024
# A stream makes its session visible after 5 s.
_SHOWN = 6.0
# The server looks at what changed ten times a second at the most.
_APART = 0.25
_PLAIN_STREAM = {
    "status": 200,
    "headers": [("content-type", "text/event-stream"), ("cache-control", "no-cache, no-transform")],
    "body": "retry: 5000\n: open\n\n",
    "stream": True,
}


def sessions_held(bench: Bench) -> list[Figure]:
    """10 000 active sessions, listed once, with the SDK imported; beside the same server without any."""
    count = bench.sized(10_000, 500)
    with bench.onduty(UNLIMITED) as server:
        assert tool_call(ERAS[1]).to(server).status == 200
        empty = memory(server.pid)
        agents(server, count)
        listed = server.call("GET", f"/api/projects/{server.project_id}/agent-sessions", timeout=60)
        assert len(listed.json["sessions"]) >= count
        held = memory(server.pid)
    what = f"memory at {count} active sessions (PSS)"
    more = {
        "RSS MB": held["rss"],
        "RSS MB, baseline": empty["rss"],
        "kB a session": (held["pss"] - empty["pss"]) * 1024 / count,
        "list MB": len(listed.body) / _MB,
    }
    goal = below(150, "MB", held["pss"])
    return [Figure("memory", what, "MB", held["pss"], empty["pss"], "same server, no sessions", goal, more)]


def streams_held(bench: Bench) -> list[Figure]:
    """`GET /mcp`, each on a wire id of its own; beside a plain callable that holds as many."""
    count = bench.sized(1000, 50)
    open_many_files(2 * count + 200)
    with bench.onduty(UNLIMITED) as server, other("benchmarks.baseline", {"GET": _PLAIN_STREAM}) as base:
        wires = [wire_id(server) for _ in range(count)]
        accept = {"Accept": "text/event-stream", "MCP-Protocol-Version": ERAS[0]}
        asked = [request("GET", "/mcp", server.token, headers={**accept, "Mcp-Session-Id": wire}) for wire in wires]
        wait = 0 if bench.quick else _SHOWN
        ours = _each(server.port, server.pid, asked, wait)
        theirs = _each(base.port, base.pid, asked, wait)
    what = f"memory an open stream, of {count} (PSS)"
    goal = Goal("≤ 15 kB", ours <= 15)
    return [Figure("streams", what, "kB", ours, theirs, "plain callable, stream", goal)]


def live_held(bench: Bench) -> list[Figure]:
    """Streams of what changes in a project, all of which are told of a row; beside the same plain callable."""
    count = bench.sized(1000, 50)
    open_many_files(2 * count + 200)
    with bench.onduty(UNLIMITED) as server, other("benchmarks.baseline", {"GET": _PLAIN_STREAM}) as base:
        asked = [request("GET", stream_of(server), server.token)] * count
        ours = _each(server.port, server.pid, asked, 0 if bench.quick else _SHOWN)
        theirs = _each(base.port, base.pid, asked, 0)
        size, took_ms = _told(server, bench.sized(50, 3))
    what = f"memory an open live stream, of {count} (PSS)"
    more = {"bytes a change of a row": size, "ms from a change to its event, median": took_ms}
    return [Figure("live", what, "kB", ours, theirs, "plain callable, stream", Goal("≤ 15 kB", ours <= 15), more)]


def _told(server: Server, times: int) -> tuple[float, float]:
    """The bytes of an event, and how long after its request it is read."""
    path = f"/api/projects/{server.project_id}/agent-sessions"
    session = server.call("POST", path, json={"machine_id": "laptop", "branch": "main"}).json["session_id"]
    sizes, took = [], []
    with watch(server, stream_of(server)) as stream:
        stream.next("snapshot")
        for number in range(times):
            time.sleep(_APART)
            begun = time.perf_counter()
            server.call("PATCH", f"/api/agent-sessions/{session}", json={"said": f"step {number}"})
            event = stream.next("session")
            took.append((time.perf_counter() - begun) * 1000)
            told = json.dumps(event.data, separators=(",", ":"))
            sizes.append(len(f"id: {event.id}\nevent: session\ndata: {told}\n\n"))
    return statistics.median(sizes), statistics.median(took)


def _each(port: int, pid: int, asked: list[str], wait: float) -> float:
    before = memory(pid)["pss"]
    with _open(port, asked):
        time.sleep(wait)
        return (memory(pid)["pss"] - before) * 1024 / len(asked)


@contextmanager
def _open(port: int, asked: list[str]) -> Iterator[None]:
    opened: list[socket.socket] = []
    try:
        for raw in asked:
            opened.append(socket.create_connection(("127.0.0.1", port)))
            opened[-1].sendall(raw.encode("latin-1"))
        for each in opened:
            assert each.recv(4096).startswith(b"HTTP/1.1 200"), json.dumps(asked[0])
        yield
    finally:
        for each in opened:
            each.close()
