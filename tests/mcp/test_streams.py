"""The presence streams of both eras: what they make, hold and leave, and how many there may be."""

from __future__ import annotations

import json
import resource
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.asking import ask
from tests.mcp.speaking import ERAS, LATE, MODERN, Desk, eventually
from tests.serving import StartServer

SHOWN_AFTER = 5.0
MANY = 1_100
HEADED = pytest.mark.parametrize("era", [LATE, MODERN])


def test_a_listen_is_acknowledged_first_with_the_requests_own_id(desk: Desk) -> None:
    client = desk.client()
    wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": False}
    for request_id in ("listen:0", 7):
        message = {**client.message("subscriptions/listen", {"notifications": wanted}), "id": request_id}
        with client.stream(message) as stream:
            assert stream.status == 200
            assert stream.message() == {
                "jsonrpc": "2.0",
                "method": "notifications/subscriptions/acknowledged",
                "params": {
                    "_meta": {"io.modelcontextprotocol/subscriptionId": request_id},
                    "notifications": {"toolsListChanged": True},
                },
            }
            assert b"content-type: text/event-stream" in stream.came


def test_a_listen_that_is_not_sound_is_refused_by_the_sdk(desk: Desk) -> None:
    client = desk.client()
    sound = client.listening()
    no_version = {key: value for key, value in sound["params"]["_meta"].items() if "protocolVersion" not in key}
    odd = [
        {**sound, "params": {**sound["params"], "_meta": no_version}},
        {**sound, "params": {"_meta": sound["params"]["_meta"]}},
        {**sound, "params": {**sound["params"], "notifications": "all"}},
        {**sound, "params": {**sound["params"], "notifications": {"toolsListChanged": "often"}}},
        {**sound, "params": []},
        {**sound, "id": None},
        {**sound, "id": {}},
        {**sound, "id": 1.5},
        {**sound, "jsonrpc": "1.0"},
    ]
    for message in odd:
        header = client.header(sound)
        answer = ask(client.port, "POST", "/mcp", body=json.dumps(message).encode(), headers=header, timeout=3)
        assert answer.status == 400, (message, answer.body)
        assert "error" in answer.json, message
    for header in ({"Mcp_Method": "tools/list"}, {"MCP_Protocol_Version": "2027-01-01"}):
        answer = client.post(sound, **header)
        assert answer.status == 400, (header, answer.body)
    assert client.post(sound, Accept="application/json").status in (400, 406)
    assert desk.rows() == []


def test_a_get_begins_with_how_long_to_wait_before_it_is_opened_again(desk: Desk) -> None:
    """Claude Code 2.1.197 gives up for good after two tries, one second apart unless the stream said otherwise."""
    with desk.client(LATE).started().stream() as stream:
        assert stream.status == 200
        stream.until(b"retry: 5000\n")


def test_a_stream_makes_a_session_once_open_for_five_seconds_and_a_shorter_one_nothing(desk: Desk) -> None:
    begun = time.monotonic()
    with ExitStack() as stack:
        clients = {era: desk.client(era, name=f"client-{era}").started() for era in ERAS}
        streams = {era: stack.enter_context(client.stream()) for era, client in clients.items()}
        short = desk.client(LATE, name="short").started()
        with short.stream():
            time.sleep(SHOWN_AFTER / 3)
        assert desk.rows() == []
        rows = eventually(desk.rows, lambda rows: len(rows) == len(ERAS))
        assert time.monotonic() - begun >= SHOWN_AFTER
        for row in rows:
            assert (row["state"], row["because"]["signal"], row["connected"]) == ("idle", "stream", True)
            assert (row["client_version"], row["machine_id"]) == ("2.1.0", "laptop")
        assert {row["caller_origin"] for row in rows} == {f"client-{era}" for era in ERAS}
        for stream in streams.values():
            stream.until(b": ping\n\n")
        ids = {clients[era].whoami() for era in ERAS}
        assert ids == {row["session_id"] for row in rows}, "a tool call goes on in the session that the stream made"
    time.sleep(0.5)
    after = desk.rows()
    assert {row["session_id"] for row in after} == ids
    assert not any(row["connected"] for row in after)
    assert all(row["state"] == "working" for row in after), "its close is no end"


def test_the_stream_of_a_child_process_shows_a_child(desk: Desk) -> None:
    parent = desk.client().whoami()
    with desk.client(name="codex-mcp-client", Onduty_Session=parent).stream():
        rows = eventually(desk.rows, lambda rows: len(rows) == 2)
    [child] = [row for row in rows if row["session_id"] != parent]
    assert (child["parent_session_id"], child["state"], child["caller_origin"]) == (parent, "idle", "codex")


def test_delete_ends_what_a_stream_alone_made_but_not_what_anothers_stream_holds(desk: Desk) -> None:
    client, other = desk.client(LATE).started(), desk.client(LATE).started()
    with client.stream() as stream, other.stream():
        [row] = eventually(desk.rows, bool)
        assert client.hang_up() == 204
        stream.until(b"0\r\n\r\n")
        assert desk.row(row["session_id"])["state"] == "idle"
        assert other.hang_up() == 204
    row = desk.row(row["session_id"])
    assert (row["state"], row["end_reason"]) == ("ended", "exit")


@HEADED
def test_a_token_that_only_reads_may_keep_a_stream_open_and_leaves_nothing(desk: Desk, era: str) -> None:
    client = desk.client(era)
    client.token = desk.new_token(read_only=True)
    with client.started().stream() as stream:
        stream.until(b": ping\n\n")
    assert desk.rows() == []


@contextmanager
def many_files(number: int) -> Iterator[None]:
    """Room for that many open files in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, number), hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_eleven_hundred_streams_stay_open_at_once_and_the_server_still_leaves(
    start_server: StartServer,
) -> None:
    server = start_server(environment={"ONDUTY_RATE_LIMIT": "0"})
    desk = Desk(server, server.project_id, server.token)
    with many_files(MANY + 500), ExitStack() as stack:
        clients = [desk.client(name=f"client-{number % 50}") for number in range(MANY)]
        streams = [stack.enter_context(client.stream()) for client in clients]
        assert all(stream.status == 200 for stream in streams)
        eventually(desk.rows, lambda rows: len(rows) == 50, seconds=20)
        assert desk.client(name="client-0").whoami() in {row["session_id"] for row in desk.rows()}
        assert ended(stream.connection for stream in streams) == 0
        assert server.stop() == 0, server.log.read_text()
        for stream in streams[::100]:
            assert b'"resultType":"complete"' in stream.until(b'"resultType"')


def ended(connections: Iterator[socket.socket]) -> int:
    """How many of these the other side has closed."""
    gone = 0
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        for key, _ in selector.select(timeout=0):
            assert isinstance(key.fileobj, socket.socket)
            gone += key.fileobj.recv(65536, socket.MSG_PEEK) == b""
    return gone
