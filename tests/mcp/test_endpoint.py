"""The endpoint itself: wire ids, the list of tools, tokens that only read, what is refused and how."""

from __future__ import annotations

import json
import sqlite3
import uuid

import pytest

from tests.asking import ask
from tests.mcp.speaking import ACCEPT, ERAS, LATE, MODERN, OLD, Client, Desk, Json, new_token
from tests.serving import StartServer

READING = ["whoami", "who_is_on_duty"]
EVERY = [*READING, "use_project", "set_status", "end_session"]


@pytest.mark.parametrize("era", [OLD, LATE])
def test_initialize_mints_a_wire_id_that_is_no_session(desk: Desk, era: str) -> None:
    first, second = desk.client(era), desk.client(era)
    assert first.initialize() != second.initialize()
    assert first.wire is not None
    assert uuid.UUID(first.wire).version == 4
    assert desk.rows() == []


def test_a_wire_id_that_is_unknown_deleted_or_anothers_is_404(desk: Desk) -> None:
    client, other = desk.client(LATE).started(), desk.client(LATE)
    other.token = desk.new_token()
    for wire in ("unknown", str(uuid.uuid4()), client.wire, ""):
        other.wire = wire
        answer = other.post(other.message("tools/list"))
        assert answer.status == 404, wire
        assert answer.json == {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}}
        with other.stream() as stream:
            assert stream.status == 404
        assert other.hang_up() == 404
    assert client.hang_up() == 204
    assert client.post(client.message("tools/list")).status == 404
    assert client.hang_up() == 404


def test_delete_ends_the_session_that_nothing_else_speaks_for(desk: Desk) -> None:
    client = desk.client(LATE).started()
    session_id = client.whoami()
    assert client.hang_up() == 204
    assert (desk.row(session_id)["state"], desk.row(session_id)["end_reason"]) == ("ended", "exit")


def test_delete_spares_the_session_that_another_wire_id_points_to(desk: Desk) -> None:
    first, second = desk.client(LATE).started(), desk.client(LATE).started()
    session_id = first.whoami()
    assert second.whoami() == session_id
    assert first.hang_up() == 204
    assert desk.row(session_id)["state"] == "working"
    assert second.hang_up() == 204
    assert desk.row(session_id)["state"] == "ended"


def test_delete_spares_the_session_that_its_own_hooks_or_a_register_speak_for(desk: Desk) -> None:
    client = desk.client(LATE).started()
    desk.tell("thread", "start")
    session_id = client.whoami()
    assert client.hang_up() == 204
    assert desk.row(session_id)["state"] == "working"


def test_delete_without_a_wire_id_is_404(desk: Desk) -> None:
    assert desk.client(LATE).hang_up() == 404


def test_a_wire_id_outlives_the_server(start_server: StartServer) -> None:
    server = start_server()
    client = Client(server.port, server.token, LATE)
    wire, idle = client.initialize(), Client(server.port, server.token, OLD)
    session_id = client.whoami()
    idle.initialize()
    server.kill9()
    server.restart()
    assert client.whoami() == session_id
    assert idle.request("tools/list")["tools"]
    assert client.hang_up() == 204
    server.restart()
    assert client.wire == wire
    assert client.post(client.message("tools/list")).status == 404


def test_requests_of_the_2025_era_need_no_wire_id(desk: Desk) -> None:
    """A client that keeps none is still somebody: by token, machine and project, of an origin that nobody knows."""
    client = desk.client(LATE)
    session_id = client.whoami()
    assert client.whoami() == session_id
    assert desk.row(session_id)["caller_origin"] is None


def test_white_space_round_mcp_headers_is_no_part_of_them(desk: Desk) -> None:
    client = desk.client(LATE).started()
    session_id = client.whoami()
    padded = {"Mcp_Session_Id": f"  {client.wire}\t ", "MCP_Protocol_Version": f"\t{LATE}  "}
    assert client.whoami(None, **padded) == session_id
    modern = desk.client(MODERN)
    spaced = {"MCP_Protocol_Version": f" {MODERN}\t", "Mcp_Method": "  tools/call ", "Mcp_Name": "\twhoami  "}
    assert modern.whoami(None, **spaced) == session_id


@pytest.mark.parametrize("era", ERAS)
def test_the_list_of_tools_is_small_and_always_the_same(desk: Desk, era: str) -> None:
    first, second = desk.client(era).started(), desk.client(era, name="codex-mcp-client").started()
    message = first.message("tools/list")
    body = first.post(message).body
    assert len(body) <= 6 * 1024
    first.whoami()
    assert first.post(message).body == body
    assert second.post({**second.message("tools/list"), "id": message["id"]}).body == body
    tools = json.loads(body)["result"]["tools"]
    assert [tool["name"] for tool in tools] == EVERY
    for tool in tools:
        assert tool["annotations"]["readOnlyHint"] is (tool["name"] in READING)
        assert tool["outputSchema"]["type"] == "object"
        assert "session" in tool["inputSchema"]["properties"]
        assert "session" not in tool["inputSchema"]["required"]


@pytest.mark.parametrize("era", ERAS)
def test_a_token_that_only_reads_is_offered_no_writing_tool_and_leaves_nothing(desk: Desk, era: str) -> None:
    worker = desk.client().whoami()
    before = desk.row(worker)
    client = desk.client(era)
    client.token = desk.new_token(read_only=True)
    client.started()
    assert [tool["name"] for tool in client.request("tools/list")["tools"]] == READING
    assert client.call("whoami")["session_id"] is None
    on_duty = client.call("who_is_on_duty")
    assert [(agent["session_id"], agent["is_you"]) for agent in on_duty["agents"]] == [(worker, False)]
    for tool in ("set_status", "end_session", "use_project"):
        assert client.refused(tool, {"project": desk.project_id}).startswith("VALIDATION: name:")
    assert desk.rows() == [before]


def test_a_viewer_is_answered_and_leaves_nothing(start_server: StartServer) -> None:
    server = start_server()
    token = new_token(server, project_ids=[server.project_id])
    server.stop()
    with sqlite3.connect(next(server.data.glob("*.sqlite3"))) as file:
        file.execute("UPDATE members SET role = 'viewer'")
    file.close()
    server.restart()
    desk = Desk(server, server.project_id, token)
    for era in ERAS:
        client = desk.client(era).started()
        assert client.call("whoami")["session_id"] is None
        assert client.call("who_is_on_duty")["on_duty"] == 0
        for tool in ("set_status", "use_project", "end_session"):
            assert client.refused(tool, {"project": desk.project_id, "said": "x"})
    assert desk.rows() == []


@pytest.mark.parametrize("era", ERAS)
def test_handshakes_lists_and_pings_neither_make_nor_renew_a_session(desk: Desk, era: str) -> None:
    client = desk.client(era).started()
    others = ("tools/list",) if era == MODERN else ("tools/list", "ping")
    for method in others:
        client.request(method)
    assert desk.rows() == []
    session_id = client.whoami()
    before = desk.row(session_id)["last_activity_at"]
    again = desk.client(era).started()
    for method in others:
        client.request(method)
        again.request(method)
    assert desk.row(session_id)["last_activity_at"] == before


def test_a_hundred_calls_without_an_id_make_one_row(desk: Desk) -> None:
    ids = {desk.client().whoami() for _ in range(100)}
    assert [row["session_id"] for row in desk.rows()] == list(ids)


def test_server_discover_says_what_is_here(desk: Desk) -> None:
    found = desk.client().request("server/discover")
    assert found["supportedVersions"] == [MODERN]
    assert found["capabilities"]["tools"] == {"listChanged": True}
    assert found["serverInfo" if "serverInfo" in found else "_meta"]
    assert "set_status" in found["instructions"]


def test_a_tools_refusal_names_the_field(desk: Desk) -> None:
    client = desk.client()
    refusals: dict[str, Json] = {
        "caller_role": {"caller_role": "x" * 121},
        "said": {"said": 7},
        "ticket": {"ticket": "x\0y"},
        "branch": {"branch": "x" * 65},
        "session": {"session": ["x"]},
    }
    for field, arguments in refusals.items():
        assert client.refused("set_status", arguments).startswith(f"VALIDATION: {field}: ")
    assert client.refused("use_project", {}).startswith("VALIDATION: project: ")
    assert client.refused("no_such_tool").startswith("VALIDATION: name: ")
    assert client.call("set_status", {"said": "a\nb", "branch": "a b", "caller_role": ""})["state"] == "working"
    [row] = desk.rows()
    assert (row["said"], row["branch"], row["caller_role"]) == ("a b", "a-b", None)


def test_who_may_not_is_told_so_before_anything(desk: Desk) -> None:
    client = desk.client()
    for token in ("", "ody_" + "0" * 36, "x"):
        client.token = token
        answer = client.post(client.message("tools/list"))
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.json["code"] == "UNAUTHENTICATED"


def test_odd_http_gets_the_one_error_object(desk: Desk) -> None:
    client = desk.client(LATE).started()
    header = client.header({"method": "", "params": {}})
    put = ask(client.port, "PUT", "/mcp", headers=header)
    assert put.status == 405
    assert {"GET", "POST", "DELETE"} <= set(put.headers["Allow"].split(", "))
    head = ask(client.port, "HEAD", "/mcp", headers=header)
    assert head.status == 200
    for accept in ("application/json", "*/*;q=0", ""):
        get = ask(client.port, "GET", "/mcp", headers={**header, "Accept": accept})
        assert get.status in (405, 406)
        assert get.json["code"]
    large = ask(client.port, "POST", "/mcp", body=b" " * (4 * 1024 * 1024 + 1), headers={**header, **ACCEPT})
    assert (large.status, large.json["code"]) == (413, "TOO_LARGE")
    for body in (b"", b"{", b"[]", b"7", b"null", b"\xff", b"[" * 5000, b'{"jsonrpc":"2.0"}', b'{"params": []}'):
        answer = ask(client.port, "POST", "/mcp", body=body, headers={**header, **ACCEPT})
        assert answer.status == 400, (body, answer.body)
        assert "error" in answer.json
    assert desk.rows() == []


ORIGINS = ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example"]


@pytest.mark.parametrize("origin", ORIGINS)
def test_another_sites_page_is_kept_out(desk: Desk, origin: str) -> None:
    client = desk.client(LATE).started()
    assert client.post(client.message("tools/list"), Origin=origin).status == 403
    assert client.post(client.message("tools/list"), Origin=desk.server.url).status == 200
    header = {**client.header({"method": "", "params": {}}), "Origin": origin, "Accept": "text/event-stream"}
    assert ask(client.port, "GET", "/mcp", headers=header).status == 403
    assert ask(client.port, "DELETE", "/mcp", headers=header).status == 403
    assert client.request("tools/list")["tools"]
