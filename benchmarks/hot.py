"""The two hot operations: the list of 20 active sessions, and activity."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figure import Figure, Goal, alternated, at_least, below, median
from benchmarks.loading import Heard, request
from benchmarks.subjects import UNLIMITED, Bench, agents, other, plain
from tests.asking import Answer
from tests.serving import Server

_MODULE = "benchmarks.baseline"
_PLAIN = "plain callable, same answer"


def listed(bench: Bench) -> list[Figure]:
    """The list, unchanged from one read to the next."""
    with bench.onduty() as server:
        agents(server, 20)
        answer = server.call("GET", path_of(server))
        script = [[request("GET", path_of(server), server.token)]]
        with other(_MODULE, plain(GET=answer)) as base:
            ours, theirs = alternated(
                bench.rounds, lambda: bench.ask(server, script, "200"), lambda: bench.ask(base, script, "200")
            )
    return [_rate("list", "list 20 active, unchanged", ours, theirs, 0.8)]


def not_modified(bench: Bench) -> list[Figure]:
    """The same, asked with the tag that it has."""
    with bench.onduty() as server:
        agents(server, 20)
        tag = {"If-None-Match": server.call("GET", path_of(server)).headers["ETag"]}
        answer = server.call("GET", path_of(server), headers=tag)
        script = [[request("GET", path_of(server), server.token, headers=tag)]]
        with other(_MODULE, plain(GET=answer)) as base:
            ours, theirs = alternated(
                bench.rounds, lambda: bench.ask(server, script, "304"), lambda: bench.ask(base, script, "304")
            )
    return [_rate("not-modified", "list 20 active, 304", ours, theirs, 0.9)]


def list_after_activity(bench: Bench) -> list[Figure]:
    """One activity before each read: every other connection is one request ahead, so that they take turns."""
    with bench.onduty() as server:
        script = [reads_and_activity(server, agents(server, 20))]
        answers = plain(GET=server.call("GET", path_of(server)), POST=_recorded(server))
        with other(_MODULE, answers) as base:
            ours, theirs = alternated(
                bench.rounds,
                lambda: bench.ask(server, script, "200", "204"),
                lambda: bench.ask(base, script, "200", "204"),
            )
    return [_rate("list-activity", "list 20 active, an activity before each", ours, theirs, 0.55)]


def activity(bench: Bench) -> list[Figure]:
    """Activity alone, of 20 sessions in turn."""
    with bench.onduty() as server:
        script = [[marks(server, session_id) for session_id in agents(server, 20)]]
        with other(_MODULE, plain(POST=_recorded(server))) as base:
            ours, theirs = alternated(
                bench.rounds, lambda: bench.ask(server, script, "204"), lambda: bench.ask(base, script, "204")
            )
    return [_rate("activity", "record activity", ours, theirs, 0.8, "plain callable, 204")]


def fifty_clients(bench: Bench) -> list[Figure]:
    """50 clients, each with a session of its own, at once."""
    with bench.onduty(UNLIMITED) as server:
        scripts = [[marks(server, session_id)] for session_id in agents(server, 50)]
        with other(_MODULE, plain(POST=_recorded(server))) as base:
            ours, theirs = alternated(
                bench.rounds,
                lambda: bench.ask(server, scripts, "204", connections=50),
                lambda: bench.ask(base, scripts, "204", connections=50),
            )
    rate, slowest = median(ours, lambda heard: heard.rate), max(heard.took["POST"].max for heard in ours)
    # A refused one would have been a LoadError.
    goal = Goal("> 5000/s, all < 200 ms, none refused", rate > 5000 and slowest < 200)
    base_slowest = max(heard.took["POST"].max for heard in theirs)
    more = {"slowest ms": slowest, "slowest ms, baseline": base_slowest, "refused": 0} | _cpu(ours, theirs)
    what = "50 clients recording activity"
    base_rate = median(theirs, lambda heard: heard.rate)
    return [Figure("clients", what, "/s", rate, base_rate, "plain callable, 204", goal, more)]


def list_many(bench: Bench) -> list[Figure]:
    """1 000 active sessions, an activity before each read, four readers."""
    count = bench.sized(1000, 50)
    with bench.onduty() as server:
        script = [reads_and_activity(server, agents(server, count)[:20])]
        answers = plain(GET=server.call("GET", path_of(server)), POST=_recorded(server))
        with other(_MODULE, answers) as base:
            ours, theirs = alternated(
                bench.rounds,
                lambda: bench.ask(server, script, "200", "204", connections=4),
                lambda: bench.ask(base, script, "200", "204", connections=4),
            )
    slow, base_slow = (median(heard, lambda each: each.took["GET"].p95) for heard in (ours, theirs))
    what = f"list {count} active, an activity before each, 4 readers: p95"
    return [Figure("list-many", what, "ms", slow, base_slow, _PLAIN, below(15, "ms", slow), _cpu(ours, theirs))]


def path_of(server: Server) -> str:
    return f"/api/projects/{server.project_id}/agent-sessions"


def marks(server: Server, session_id: str) -> str:
    return request("POST", f"/api/agent-sessions/{session_id}/activity", server.token)


def reads_and_activity(server: Server, ids: Sequence[str]) -> list[str]:
    read = request("GET", path_of(server), server.token)
    return [each for session_id in ids for each in (marks(server, session_id), read)]


def _recorded(server: Server) -> Answer:
    [row, *_] = server.call("GET", path_of(server)).json["sessions"]
    return server.call("POST", f"/api/agent-sessions/{row['session_id']}/activity")


def _cpu(ours: Sequence[Heard], theirs: Sequence[Heard]) -> dict[str, float]:
    """The server's CPU time an answer, which a busy neighbour changes less than the rate."""
    mine, base = (median(heard, lambda each: each.cpu_us) for heard in (ours, theirs))
    return {"cpu µs": mine, "cpu µs, baseline": base, "ratio by cpu": base / mine}


def _rate(
    row: str, what: str, ours: Sequence[Heard], theirs: Sequence[Heard], ratio: float, base: str = _PLAIN
) -> Figure:
    mine, its = (median(heard, lambda each: each.rate) for heard in (ours, theirs))
    return Figure(row, what, "/s", mine, its, base, at_least(ratio, mine, its), _cpu(ours, theirs))
