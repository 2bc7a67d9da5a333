"""20 agents that start at once: over REST, and as MCP clients of both eras."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count

from benchmarks.calls import BARE, answered
from benchmarks.figure import Figure, alternated, below, p95
from benchmarks.loading import Heard, request
from benchmarks.speaking import ERAS, initialize, tool_call
from benchmarks.subjects import UNLIMITED, Bench, other, plain
from tests.serving import Server

_AGENTS = 20


def registers(bench: Bench) -> list[Figure]:
    """Each on a new connection: one register, committed before it is answered."""
    with bench.onduty(UNLIMITED) as server:
        path = f"/api/projects/{server.project_id}/agent-sessions"
        answer = server.call("POST", path, json=_new(0))
        numbers = count(1)

        def scripts() -> list[list[str]]:
            bodies = [json.dumps(_new(next(numbers))) for _ in range(_AGENTS)]
            return [[request("POST", path, server.token, body)] for body in bodies]

        with other("benchmarks.baseline", plain(POST=answer)) as base:
            ours, theirs = alternated(
                _rounds(bench),
                lambda: bench.once(server, scripts(), "201"),
                lambda: bench.once(base, scripts(), "201"),
            )
    return [_figure("starts", "20 agents start at once, register: p95", ours, theirs, "plain callable, 201")]


def _new(number: int) -> dict[str, str]:
    return {
        "machine_id": f"machine-{number}",
        "caller_role": "backend",
        "caller_origin": "codex",
        "client_ref": f"run-{number}",
        "branch": "main",
    }


def mcp_clients(bench: Bench) -> list[Figure]:
    """Each on a new connection: what its era begins with, and a first tool call; the SDK is imported already."""
    with bench.onduty(UNLIMITED) as server, other("benchmarks.bare_sdk", answered(server)) as bare:
        found = []
        for era in ERAS:
            script = _first_words(server, era)
            ours, theirs = alternated(
                _rounds(bench),
                lambda script=script: bench.once(server, [script] * _AGENTS, "200"),  # type: ignore[misc]
                lambda script=script: bench.once(bare, [script] * _AGENTS, "200"),  # type: ignore[misc]
            )
            what = f"20 agents start at once, MCP {era}, first tool call answered: p95"
            found.append(_figure("mcp-starts", what, ours, theirs, BARE))
    return found


def _first_words(server: Server, era: str) -> list[str]:
    call = tool_call(era).raw(server.token)
    return [initialize().raw(server.token), call] if era == ERAS[0] else [call]


def _rounds(bench: Bench) -> int:
    """A round is short, so there are more of them."""
    return bench.sized(30, 1)


def _figure(row: str, what: str, ours: Sequence[Heard], theirs: Sequence[Heard], base: str) -> Figure:
    mine, its = (p95([each for heard in rounds for each in heard.finished]) for rounds in (ours, theirs))
    return Figure(row, what, "ms", mine, its, base, below(50, "ms", mine))
