"""A real server on PostgreSQL: started, killed, cut off and left waiting, and well again without a hand."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.asking import Answer
from tests.database.cutting import way_to
from tests.database.postgres import PASSWORD, Cluster
from tests.serving import NotReadyError, Server, StartServer

MCP = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
WELL_WITHIN = 2.0


def on(url: str) -> dict[str, str]:
    return {"ONDUTY_DATABASE": url, "ONDUTY_RATE_LIMIT": "0"}


def register(server: Server, ref: str) -> Answer:
    path = f"/api/projects/{server.project_id}/agent-sessions"
    return server.call("POST", path, json={"machine_id": "laptop", "client_ref": ref})


def listed(server: Server) -> Answer:
    return server.call("GET", f"/api/projects/{server.project_id}/agent-sessions?active=true&limit=100")


def refs(server: Server) -> set[str]:
    return {row["session_id"] for row in listed(server).json["sessions"]}


def within(seconds: float, holds: Callable[[], bool]) -> float:
    """How long it took until it held."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


def ready(server: Server) -> bool:
    return server.call("GET", "/readyz", token=None).status == 200


@dataclass
class Load:
    """Four who register without a pause. Nothing but 201 and 503 with Retry-After may come; `made` is what was 201."""

    server: Server
    made: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        count = 0
        while not self.over.is_set():
            count += 1
            began = time.monotonic()
            ref = f"{number}-{count}"
            answer = register(self.server, ref)
            self.slowest = max(self.slowest, time.monotonic() - began)
            if answer.status == 201:
                self.made[ref] = answer.json["session_id"]
            elif answer.status == 503 and answer.headers["Retry-After"] and answer.json["code"] == "UNAVAILABLE":
                self.refused += 1
            else:
                self.wrong.append(f"{answer.status} {answer.body!r}")
            time.sleep(0.01)


@contextmanager
def loaded(server: Server) -> Iterator[Load]:
    """Under load meanwhile; afterwards every session that was answered is there, once, under its own reference."""
    assert server.project_id
    load = Load(server)
    threads = [threading.Thread(target=load.run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.over.set()
        for thread in threads:
            thread.join()
    assert load.wrong == []
    # The last cut may only now be noticed.
    within(WELL_WITHIN, lambda: all(register(server, "after").status < 500 for _ in range(10)))
    for ref, session_id in load.made.items():
        assert register(server, ref).json["session_id"] == session_id


def test_the_whole_product_and_a_kill(start_server: StartServer, postgres_url: str) -> None:
    server = start_server(environment=on(postgres_url))
    session = register(server, "thread").json["session_id"]
    assert server.call("POST", f"/api/agent-sessions/{session}/activity").status in (200, 204)
    event = {"id": "1", "kind": "prompt", "at": "2026-11-24T08:07:00Z", "session": "other", "stamp": 1}
    batch = {
        "sent_at": "2026-11-24T08:07:00Z", "project_id": server.project_id, "machine_id": "laptop", "events": [event],
    }  # fmt: skip
    told = server.call("POST", "/api/agent-events", json=batch)
    assert [result["status"] for result in told.json["results"]] == ["accepted"], told.body
    wire = mcp_call(server)
    before = refs(server)
    assert len(before) == 3
    server.kill9()
    server.restart()
    assert refs(server) == before
    assert server.call("POST", "/api/agent-events", json=batch).json["results"][0]["status"] == "repeated"
    assert who(server, wire).status == 200
    assert refs(server) == before
    assert server.stop() == 0
    assert PASSWORD not in server.log.read_text() + "\n".join(server.lines)


def mcp_call(server: Server) -> str:
    """The wire id of a client that has called a tool."""
    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "codex", "version": "1"}}
    made = rpc(server, "initialize", client, MCP)
    wire = made.headers["Mcp-Session-Id"]
    assert wire, made.body
    assert who(server, wire).status == 200
    return str(wire)


def who(server: Server, wire: str) -> Answer:
    call = {"name": "who_is_on_duty", "arguments": {}}
    return rpc(server, "tools/call", call, {**MCP, "Mcp-Session-Id": wire})


def rpc(server: Server, method: str, params: object, headers: dict[str, str]) -> Answer:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return server.call("POST", "/mcp", json=message, headers=headers)


def test_a_second_server_is_refused_with_a_line(start_server: StartServer, postgres_url: str) -> None:
    first = start_server(environment=on(postgres_url))
    with pytest.raises(NotReadyError) as refused:
        start_server(environment=on(postgres_url))
    [line] = [line for line in str(refused.value).splitlines() if line.startswith("onduty: ")]
    assert "exit code 2" in str(refused.value)
    assert re.fullmatch(
        rf"onduty: The database postgresql://127\.0\.0\.1:\d+/\w+ is already in use by an Onduty server "
        rf"\(onduty {first.pid} on .*\)\.",
        line,
    )
    assert register(first, "thread").status == 201


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: url.replace(PASSWORD, "wr0ng"), "password authentication failed"),
        (lambda url: re.sub(r":\d+/", ":1/", url), "Connection refused"),
        (lambda url: url + "_nowhere", "does not exist"),
        (lambda url: url.replace(PASSWORD, "5ec/r@:e?t5ecret"), "the address is not understood"),
        (lambda url: url.partition("?")[0] + "?sslmode=5ecret", "the address is not understood"),
    ],
)
def test_what_keeps_it_from_starting_is_a_line_without_a_secret(
    start_server: StartServer, postgres_url: str, change: Callable[[str], str], reason: str
) -> None:
    with pytest.raises(NotReadyError) as refused:
        start_server(environment=on(change(postgres_url)))
    said = str(refused.value)
    assert "exit code 2" in said
    [line] = [line for line in said.splitlines() if line.startswith("onduty: ")]
    assert reason in line
    assert not re.search(f"{PASSWORD}|wr0ng|5ec|Traceback", said)


@pytest.mark.parametrize("last", [1, 2])
def test_one_that_dies_while_the_server_starts_is_a_line(
    start_server: StartServer, cluster: Cluster, postgres_url: str, last: int
) -> None:
    """After it gave the lock, and after it told its schema, when all is to be loaded."""
    with way_to(cluster.port, last) as way, pytest.raises(NotReadyError) as refused:
        start_server(environment=on(re.sub(r":\d+/", f":{way.port}/", postgres_url)))
    said = str(refused.value)
    assert "exit code 2" in said
    assert len([line for line in said.splitlines() if line.startswith("onduty: ")]) == 1, said
    assert not re.search(f"Traceback|{PASSWORD}|Onduty serves", said)


def test_the_password_may_stand_in_the_environment(start_server: StartServer, postgres_url: str) -> None:
    bare = postgres_url.replace(f":{PASSWORD}", "")
    server = start_server("--database", bare, environment={"PGPASSWORD": PASSWORD})
    assert register(server, "thread").status == 201
    command = subprocess.run(["ps", "-o", "args=", "-p", str(server.pid)], capture_output=True, text=True, check=True)
    assert PASSWORD not in command.stdout


def test_connections_that_are_ended_from_outside_under_load(
    start_server: StartServer, cluster: Cluster, postgres_url: str
) -> None:
    server = start_server(environment=on(postgres_url))
    with loaded(server) as load:
        for _ in range(4):
            time.sleep(0.4)
            assert cluster.end_connections(postgres_url.rpartition("/")[2]) > 1
            within(WELL_WITHIN, lambda: ready(server))
    assert len(load.made) > 20
    assert load.slowest < 2


def test_a_restart_of_postgresql_under_load(start_server: StartServer, own_cluster: Cluster) -> None:
    server = start_server(environment=on(own_cluster.new()))
    with loaded(server) as load:
        time.sleep(0.5)
        assert load.made
        own_cluster.control("restart", "-m", "immediate")
        within(WELL_WITHIN, lambda: ready(server) and register(server, "after").status == 201)
    assert len(load.made) > 10


def test_while_postgresql_is_down_reads_from_memory_go_on(start_server: StartServer, own_cluster: Cluster) -> None:
    server = start_server(environment=on(own_cluster.new()))
    session = register(server, "thread").json["session_id"]
    own_cluster.control("stop", "-m", "immediate")
    within(WELL_WITHIN, lambda: not ready(server))
    assert refs(server) == {session}
    acted = server.call("POST", f"/api/agent-sessions/{session}/activity")
    unknown = f"/api/agent-sessions/{session[:-1]}{'0' if session[-1] != '0' else '1'}"
    patched = server.call("PATCH", f"/api/agent-sessions/{session}", json={"said": "x"})
    for answer in (register(server, "other"), server.call("GET", unknown), patched, acted):
        assert (answer.status, answer.json["code"]) == (503, "UNAVAILABLE"), answer.body
        assert int(answer.headers["Retry-After"]) >= 1
    assert "the database cannot be written" in server.call("GET", "/readyz", token=None).json["trouble"]
    assert server.call("GET", "/livez", token=None).status == 200
    own_cluster.control("start")
    within(WELL_WITHIN, lambda: ready(server))
    assert server.call("PATCH", f"/api/agent-sessions/{session}", json={"said": "x"}).status == 200
    assert server.stop() == 0
    assert server.log.read_text().count("the database is not reached") == 1


def test_a_postgresql_that_answers_nothing_keeps_nobody_waiting(
    start_server: StartServer, own_cluster: Cluster
) -> None:
    server = start_server(environment=on(own_cluster.new()))
    session = register(server, "thread").json["session_id"]
    with stopped(own_cluster):
        began = time.monotonic()
        assert register(server, "other").status == 503
        assert time.monotonic() - began < 6
        began = time.monotonic()
        assert register(server, "other").status == 503
        assert time.monotonic() - began < 0.5
        assert refs(server) == {session}
    within(4, lambda: ready(server))
    assert register(server, "other").status == 201


@contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    """All its processes stand still, as behind a cable that was pulled."""
    main = int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0])
    children = subprocess.run(["pgrep", "-P", str(main)], capture_output=True, text=True, check=True).stdout.split()
    pids = [main, *(int(pid) for pid in children)]
    _signal(signal.SIGSTOP, pids)
    try:
        yield
    finally:
        _signal(signal.SIGCONT, pids)


def _signal(number: signal.Signals, pids: list[int]) -> None:
    subprocess.run(["kill", f"-{number.value}", *map(str, pids)], check=True)


def test_a_server_whose_place_was_taken_leaves(start_server: StartServer, cluster: Cluster, postgres_url: str) -> None:
    server = start_server(environment=on(postgres_url))
    name = postgres_url.rpartition("/")[2]
    other = "SET application_name = 'onduty 1 on elsewhere'; SELECT pg_advisory_lock(7302756, 7697529), pg_sleep(10)"
    with subprocess.Popen([cluster.programs / "psql", "-Xqc", other, postgres_url], stdout=subprocess.DEVNULL) as waits:
        within(5, lambda: cluster.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == ["1"])
        assert cluster.end_connections(name, but="onduty 1 on elsewhere") > 1
        within(10, lambda: not _runs(server))
        waits.kill()
    assert server.stop() == 70
    assert "already in use by an Onduty server (onduty 1 on elsewhere)" in server.log.read_text()


def _runs(server: Server) -> bool:
    assert server._process is not None
    return server._process.poll() is None
