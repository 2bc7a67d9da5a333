"""`kill -9` in mid-work, many agents at once, and a night in which nobody listened: nothing answered is lost."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from onduty.clock import Instant, parse_rfc3339, wall_ms
from tests.asking import Answer, ask
from tests.serving import Server, StartServer
from tests.sessions.contract import validated

_UNLIMITED = {"ONDUTY_RATE_LIMIT": "0"}
_HOUR_MS = 3_600_000
_AT = "2026-01-01T12:00:00Z"


def _list(server: Server, query: str = "?active=false") -> dict[str, dict[str, Any]]:
    """The project's rows by id, all of them once."""
    rows = validated(server.call("GET", f"/api/projects/{server.project_id}/agent-sessions{query}"))["sessions"]
    by_id = {row["session_id"]: row for row in rows}
    assert len(by_id) == len(rows)
    return by_id


@dataclass
class Agent:
    """An agent at work, and what it was answered until the server was gone."""

    server: Server
    name: str
    session_id: str = ""
    acted: list[tuple[Instant, Instant]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    tried_to_say: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False
    tried_to_end: bool = False

    def work(self, rounds: int) -> None:
        """Register, act, say something, report, end; until the rounds or the server are over."""
        try:
            made = self._ask("POST", f"/api/projects/{self.server.project_id}/agent-sessions", self._registered())
            self.session_id = made.json["session_id"]
            for number in range(rounds):
                self._round(number)
        except OSError:
            return
        self.tried_to_end = True
        try:
            self._ask("DELETE", f"/api/agent-sessions/{self.session_id}")
        except OSError:
            return
        self.ended = True

    def _round(self, number: int) -> None:
        own = f"/api/agent-sessions/{self.session_id}"
        sent = wall_ms()
        self._ask("POST", f"{own}/activity")
        self.acted.append((sent, wall_ms()))
        if number % 3 == 0:
            self.tried_to_say = f"{self.name} {number}"
            self._ask("PATCH", own, {"said": self.tried_to_say})
            self.said.append(self.tried_to_say)
        if number % 4 == 1:
            event = {"id": f"e{number}", "kind": "activity", "at": _AT, "session": self.name}
            answer = self._ask("POST", "/api/agent-events", self._batch([event]))
            assert answer.json["results"][0]["session_id"] == self.session_id
            self.events.append(event)

    def _registered(self) -> dict[str, Any]:
        return {"machine_id": "laptop", "client_ref": self.name, "caller_role": self.name}

    def _batch(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        return {"sent_at": _AT, "project_id": self.server.project_id, "machine_id": "laptop", "events": events}

    def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        try:
            answer = ask(self.server.port, method, path, token=self.server.token, json=body)
        except (ValueError, json.JSONDecodeError) as error:  # a body that broke off
            raise OSError from error
        assert answer.status in (200, 201, 204), answer.body
        return answer

    def check(self, row: dict[str, Any] | None, killed: Instant) -> None:
        """Assert that nothing this agent was answered is missing."""
        if not self.session_id:
            return
        assert row is not None, f"{self.name} was registered and is gone"
        assert row["caller_role"] == self.name
        if self.said:
            assert row["said"] in (self.said[-1], self.tried_to_say)
        assert not self.ended or row["state"] == "ended"
        assert self.tried_to_end or row["state"] != "ended"
        safe = [sent for sent, answered in self.acted if answered <= killed - 1_000]
        # The server's clock may differ by some milliseconds from the one read here.
        assert not safe or parse_rfc3339(row["last_activity_at"]) >= safe[-1] - 50
        if self.events:
            again = self._ask("POST", "/api/agent-events", self._batch(self.events))
            assert {result["status"] for result in again.json["results"]} == {"repeated"}
            assert {result["session_id"] for result in again.json["results"]} == {self.session_id}


def test_kill_9_in_mid_work_loses_nothing_answered(start_server: StartServer) -> None:
    """Same sessions, same ids, ends, words and events; of bare activity at most the last second's; twice in a row."""
    server = start_server(environment=_UNLIMITED)
    everybody: list[Agent] = []
    for turn in range(2):
        agents = [Agent(server, f"agent-{turn}-{number}") for number in range(60)]
        # The first are done before the kill, the last are in the midst of it.
        rounds = [5 if number < 20 else 100_000 for number in range(60)]
        with ThreadPoolExecutor(16) as pool:
            waiting = [pool.submit(agent.work, many) for agent, many in zip(agents, rounds, strict=True)]
            time.sleep(3.5)
            killed = wall_ms()
            server.kill9()
            for each in waiting:
                each.result()
        assert sum(agent.ended for agent in agents) >= 15
        assert sum(bool(agent.acted) and not agent.ended for agent in agents) >= 10
        everybody += agents
        server.restart()
        rows = _list(server)
        for agent in everybody:
            agent.check(rows.get(agent.session_id), killed)
        names = Counter(row["caller_role"] for row in rows.values())
        assert set(names.values()) == {1}


def test_a_client_goes_on_after_kill_9(start_server: StartServer) -> None:
    """Known by its `client_ref` it is the same session; over MCP the wire id goes on without another `initialize`."""
    server = start_server()
    body = {"machine_id": "laptop", "client_ref": "thread"}
    path = f"/api/projects/{server.project_id}/agent-sessions"
    made = server.call("POST", path, json=body)
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "probe", "version": "1"}}
    wire = _mcp(server, "initialize", hello).headers["mcp-session-id"]
    whoami = {"name": "whoami", "arguments": {}}
    before = _result(_mcp(server, "tools/call", whoami, wire))["structuredContent"]["session_id"]
    server.kill9()
    server.restart()
    again = server.call("POST", path, json=body)
    assert (again.status, again.json["session_id"]) == (200, made.json["session_id"])
    assert server.call("POST", f"/api/agent-sessions/{made.json['session_id']}/activity").status == 204
    assert _result(_mcp(server, "tools/call", whoami, wire))["structuredContent"]["session_id"] == before


def _mcp(server: Server, method: str, params: dict[str, Any], wire: str | None = None) -> Answer:
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    if wire is not None:
        headers["Mcp-Session-Id"] = wire
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = server.call("POST", "/mcp", json=message, headers=headers)
    assert answer.status == 200, answer.body
    return answer


def _result(answer: Answer) -> Any:
    if answer.headers["content-type"].startswith("text/event-stream"):
        data = next(line for line in answer.body.decode().splitlines() if line.startswith("data:"))
        return json.loads(data.removeprefix("data:"))["result"]
    return answer.json["result"]


def _at_once(tasks: int, work: Callable[[int], None]) -> None:
    """Do the work in so many threads that all begin together; what one raises is raised here."""
    barrier = threading.Barrier(tasks)

    def begin(number: int) -> None:
        barrier.wait()
        work(number)

    with ThreadPoolExecutor(tasks) as pool:
        for each in [pool.submit(begin, number) for number in range(tasks)]:
            each.result()


def test_200_register_act_and_end_at_once(start_server: StartServer) -> None:
    """No error, no duplicate, no lost row, in the answers, in the list and in the file."""
    server = start_server()
    path = f"/api/projects/{server.project_id}/agent-sessions"
    ids: dict[int, str] = {}

    def live(number: int) -> None:
        made = server.call("POST", path, json={"machine_id": "laptop", "client_ref": str(number)}, timeout=30)
        assert made.status == 201, made.body
        ids[number] = made.json["session_id"]
        own = f"/api/agent-sessions/{ids[number]}"
        assert server.call("POST", own + "/activity", timeout=30).status == 204
        assert server.call("DELETE", own, timeout=30).status == 204

    _at_once(200, live)
    assert len(set(ids.values())) == 200
    rows = _list(server)
    assert set(rows) == set(ids.values())
    assert {row["state"] for row in rows.values()} == {"ended"}
    assert _list(server, "") == {}
    assert server.stop() == 0
    with closing(sqlite3.connect(server.data / "onduty.sqlite3")) as database:
        assert database.execute("SELECT count(*), sum(end_s_at > 0) FROM agent_sessions").fetchone() == (200, 200)
        assert database.execute("SELECT count(*) FROM session_aliases").fetchone() == (200,)


def test_200_that_come_twice_at_once(start_server: StartServer) -> None:
    """100 `client_ref`s, each registered and reported by two at once: 100 sessions, each made once."""
    server = start_server()
    path = f"/api/projects/{server.project_id}/agent-sessions"
    answers: list[Answer] = []
    results: list[dict[str, Any]] = []

    def live(number: int) -> None:
        name = str(number // 2)
        event = {"id": str(number), "kind": "prompt", "at": _AT, "session": name}
        batch = {"sent_at": _AT, "project_id": server.project_id, "machine_id": "laptop", "events": [event]}
        registers_first = number % 4 < 2
        for registers in (registers_first, not registers_first):
            if registers:
                answers.append(server.call("POST", path, json={"machine_id": "laptop", "client_ref": name}))
            else:
                results.extend(server.call("POST", "/api/agent-events", json=batch).json["results"])

    _at_once(200, live)
    assert {answer.status for answer in answers} <= {200, 201}
    assert {result["status"] for result in results} == {"accepted"}
    assert (len(answers), len(results)) == (200, 200)
    rows = _list(server)
    assert len(rows) == 100
    assert {answer.json["session_id"] for answer in answers} == set(rows)
    assert {result["session_id"] for result in results} == set(rows)
    assert {row["state"] for row in rows.values()} == {"working"}


_INSTANTS = {
    "agent_sessions": (
        *("connected_at", "life", "call", "reopen_t", "reopen_s", "end_c_at", "end_s_at", "turn_open_at", "wait_at"),
    ),
    "session_tools": ("started_at",),
    "listening": ("until",),
    "listening_gaps": ("began_at", "ended_at"),
}


def _let_pass(server: Server, hours: int) -> None:
    """Make a stopped server's data that of one that stopped so many hours earlier."""
    with closing(sqlite3.connect(server.data / "onduty.sqlite3")) as database, database:
        for table, columns in _INSTANTS.items():
            for column in columns:
                shift = f"UPDATE {table} SET {column} = {column} - ? WHERE {column} > 0"  # noqa: S608
                database.execute(shift, (hours * _HOUR_MS,))


def test_a_server_that_was_down_for_four_hours_finds_nobody_lost(start_server: StartServer) -> None:
    """Silence counts only while it listened: states are as when it left; `active` stays the contract's plain 300 s."""
    server = start_server()
    told = {
        "works": [("prompt", 0)],
        "runs": [("prompt", 2), ("tool_started", 1)],
        "waits": [("prompt", 9), ("waiting", 8)],
        "idles": [("start", 1)],
        "was quiet": [("prompt", 6)],
        "was lost": [("prompt", 31)],
        "ended": [("start", 2), ("end", 1)],
    }
    ids = {name: _reported(server, name, events) for name, events in told.items()}
    before = {name: _list(server)[session_id]["state"] for name, session_id in ids.items()}
    expected = ["working", "working", "waiting", "idle", "quiet", "lost", "ended"]
    assert list(before.values()) == expected
    assert server.stop() == 0
    _let_pass(server, 4)
    server.restart()
    rows = _list(server)
    assert {name: rows[session_id]["state"] for name, session_id in ids.items()} == before
    assert _list(server, "") == {}
    heard = parse_rfc3339(rows[ids["works"]]["last_activity_at"])
    assert abs(wall_ms() - 4 * _HOUR_MS - heard) < 120_000
    server.restart()
    assert {name: _list(server)[session_id]["state"] for name, session_id in ids.items()} == before, "kept as a gap"
    _reported(server, "works", [("activity", 0)], first=100)
    assert set(_list(server, "")) == {ids["works"]}


def _reported(server: Server, session: str, events: list[tuple[str, int]], first: int = 1) -> str:
    """Report events, each so many minutes old; the session's id."""
    told = [
        {
            "id": str(n),
            "kind": kind,
            "at": f"2026-01-01T12:{40 - ago:02}:00Z",
            "stamp": n,
            "session": session,
            "tool": "Bash",
        }
        for n, (kind, ago) in enumerate(events, first)
    ]
    body = {"sent_at": "2026-01-01T12:40:00Z", "project_id": server.project_id, "machine_id": "laptop", "events": told}
    answer = server.call("POST", "/api/agent-events", json=body)
    assert {result["status"] for result in answer.json["results"]} == {"accepted"}
    return str(answer.json["results"][0]["session_id"])
