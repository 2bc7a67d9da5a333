"""MCP: what a tool call costs the server's process."""

from __future__ import annotations

from benchmarks.figure import Figure, alternated, at_most, median
from benchmarks.speaking import ERAS, tool_call, wire_id
from benchmarks.subjects import Bench, Other, other
from tests.serving import Server

BARE = "bare SDK, same tool"


def tool_calls(bench: Bench) -> list[Figure]:
    """CPU time a call of `whoami`, for both eras."""
    with bench.onduty() as server, other("benchmarks.bare_sdk", answered(server)) as bare:
        return [_tool_calls(bench, server, bare, era) for era in ERAS]


def answered(server: Server) -> object:
    """What the server's own tool answers; from then on it has imported the SDK."""
    answer = tool_call(ERAS[1]).to(server)
    assert answer.status == 200, answer.body
    return answer.json["result"]["structuredContent"]


def _tool_calls(bench: Bench, server: Server, bare: Other, era: str) -> Figure:
    call = tool_call(era)
    own = [[call.raw(server.token, wire_id(server))]]
    # The bare SDK keeps no sessions, so there is no wire id to name.
    headers = {name: value for name, value in call.headers.items() if name != "Mcp-Session-Id"}
    its = [[call._replace(headers=headers).raw(server.token)]]
    ours, theirs = alternated(
        bench.rounds,
        lambda: bench.ask(server, own, "200", connections=4),
        lambda: bench.ask(bare, its, "200", connections=4),
    )
    mine, base = (median(heard, lambda each: each.cpu_us) for heard in (ours, theirs))
    rates = {"/s": median(ours, lambda each: each.rate), "/s, baseline": median(theirs, lambda each: each.rate)}
    what = f"MCP tool call, {era}: server CPU"
    return Figure("mcp", what, "µs", mine, base, BARE, at_most(1.15, mine, base), rates)
