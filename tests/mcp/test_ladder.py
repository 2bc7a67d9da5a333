"""Which session a request over MCP belongs to: the ladder of design.md 2.4, over the wire, in every era."""

from __future__ import annotations

import uuid

import pytest

from tests.mcp.speaking import ERAS, LATE, MODERN, Client, Desk, Json

TOOL_USE = "claudecode/toolUseId"
HEADED = pytest.mark.parametrize("era", [LATE, MODERN])


def register(desk: Desk, **words: str) -> str:
    """A session as `POST agent-sessions` makes it, by this desk's token."""
    path = f"/api/projects/{desk.project_id}/agent-sessions"
    body = {"machine_id": "laptop", "caller_origin": "claude-code", **words}
    answer = desk.server.call("POST", path, token=desk.token, json=body)
    assert answer.status == 201, answer.body
    return str(answer.json["session_id"])


def rejected_session(desk: Desk) -> list[str]:
    """Ids that a request may not name: unknown, malformed, ended, unseen."""
    ended = register(desk, client_ref="ended")
    assert desk.server.call("DELETE", f"/api/agent-sessions/{ended}", token=desk.token).status == 204
    elsewhere = Desk(desk.server, desk.new_project("elsewhere"), desk.token)
    elsewhere = Desk(desk.server, elsewhere.project_id, elsewhere.new_token())
    return [str(uuid.uuid4()), "no id", ended, elsewhere.client().whoami()]


@HEADED
def test_a_session_that_is_named_counts_before_everything(desk: Desk, era: str) -> None:
    named = register(desk, client_ref="one")
    register(desk, client_ref="two")
    client = desk.client(era).started()
    implicit = client.whoami()
    assert implicit != named
    assert client.call("whoami", {"session": named.upper()})["session_id"] == named
    assert client.whoami(Onduty_Session=named) == named
    assert client.call("whoami", {"session": named}, Onduty_Session=implicit)["session_id"] == named
    assert client.call("set_status", {"session": named, "said": "hello"})["session_id"] == named
    assert desk.row(named)["said"] == "hello"


@HEADED
def test_naming_one_that_is_unknown_ended_or_not_seen_is_an_error_and_never_the_next_rung(desk: Desk, era: str) -> None:
    client = desk.client(era).started()
    mine = client.whoami()
    reasons = {}
    for wrong in rejected_session(desk):
        before = [desk.row(row["session_id"]) for row in desk.rows()]
        reason = client.refused("whoami", {"session": wrong})
        assert client.refused("set_status", {"said": "x"}, Onduty_Session=wrong) == reason
        assert [desk.row(row["session_id"]) for row in desk.rows()] == before
        reasons[reason.partition(":")[0]] = wrong
    assert set(reasons) == {"NOT_FOUND", "ENDED"}
    assert client.whoami() == mine


def test_a_child_process_that_inherits_the_variable_is_a_child_session(desk: Desk) -> None:
    parent = register(desk, client_ref="parent")
    for era in ERAS:
        child = desk.client(era, name="codex-mcp-client", Onduty_Session=parent).started()
        session_id = child.whoami()
        row = desk.row(session_id)
        assert (row["parent_session_id"], row["caller_origin"]) == (parent, "codex")
        assert child.whoami() == session_id
        assert child.call("whoami", {"session": session_id})["session_id"] == session_id
    assert len(desk.rows()) == 2


def test_a_thread_of_a_sub_agent_is_its_sessions(desk: Desk) -> None:
    """Codex names both in each call; its hooks name the session, and the sub-agent beside it."""
    client = desk.client(LATE).started()
    told = desk.tell("session-1", "start")["session_id"]
    for thread in ("session-1", "thread-2"):
        turn = {"session_id": "session-1", "thread_id": thread}
        assert client.whoami({"threadId": thread, "x-codex-turn-metadata": turn}) == told
    assert client.whoami({"threadId": "thread-3"}) != told


@HEADED
def test_a_thread_of_a_clients_own_is_told_apart(desk: Desk, era: str) -> None:
    """Codex names its thread in each call: three shapes of `_meta`, one session a thread, on one connection."""
    client = desk.client(era, name="codex-mcp-client").started()
    one = client.whoami({"threadId": "thread-1"})
    two = client.whoami({"threadId": "thread-2"})
    assert one != two
    assert client.whoami({"thread_id": "thread-1"}) == one
    assert client.whoami({"x-codex-turn-metadata": {"thread_id": "thread-2"}}) == two
    assert client.whoami({"threadId": "thread-1"}) == one
    assert desk.tell("thread-1", "prompt")["session_id"] == one
    assert {row["session_id"] for row in desk.rows()} == {one, two}


@HEADED
def test_a_tool_use_that_a_hook_announced_joins_the_hooks_session(desk: Desk, era: str) -> None:
    client = desk.client(era).started()
    implicit = client.whoami()
    hooked = desk.tell("claude-1", "start")["session_id"]
    desk.tell("claude-2", "start")
    desk.tell("claude-1", "tool_started", tool="mcp__onduty__whoami", tool_id="toolu_1")
    assert client.whoami({TOOL_USE: "toolu_9"}) == implicit
    assert client.whoami({TOOL_USE: "toolu_1"}) == hooked
    if era == LATE:
        assert client.whoami() == hooked, "better evidence moves the wire id"
    else:
        assert client.whoami() == implicit, "two are told apart: only the call's own id says which"


def test_the_only_one_told_apart_on_duty_is_the_caller_and_of_several_none(desk: Desk) -> None:
    hooked = desk.tell("claude-1", "start")["session_id"]
    assert desk.client().whoami() == hooked
    assert desk.client(LATE).started().whoami() == hooked
    assert desk.client(name="codex-mcp-client").whoami() != hooked
    other = desk.client()
    other.token = desk.new_token(machine_id="laptop")
    assert other.whoami() != hooked, "another token"
    assert desk.client(Onduty_Machine="desk").whoami() != hooked, "another machine"
    second = desk.tell("claude-2", "start")["session_id"]
    implicit = desk.client().whoami()
    assert implicit not in (hooked, second)
    desk.tell("claude-2", "end", reason="exit")
    assert desk.client().whoami() == hooked


def test_the_implicit_session_is_hidden_while_a_told_apart_one_lives(desk: Desk) -> None:
    implicit = desk.client().whoami()
    assert shown(desk) == {implicit}
    hooked = desk.tell("claude-1", "start")["session_id"]
    assert shown(desk) == {hooked}
    on_duty = desk.client().call("who_is_on_duty")
    assert [agent["session_id"] for agent in on_duty["agents"]] == [hooked]
    desk.tell("claude-1", "end", reason="exit")
    assert shown(desk) == {hooked, implicit}
    assert desk.client().whoami() == implicit


@pytest.mark.parametrize("era", ERAS)
def test_a_hundred_calls_without_an_id_make_no_third_row_of_two_agents(desk: Desk, era: str) -> None:
    two = {desk.tell(name, "start")["session_id"] for name in ("claude-1", "claude-2")}
    client = desk.client(era).started()
    for _ in range(100):
        client.call("who_is_on_duty")
    assert shown(desk) == two
    assert desk.client().call("who_is_on_duty")["on_duty"] == 2


def shown(desk: Desk) -> set[str]:
    return {row["session_id"] for row in desk.rows()}


@HEADED
def test_a_call_after_the_end_opens_a_child_and_the_ended_one_stays_ended(desk: Desk, era: str) -> None:
    client = desk.client(era).started()
    first = client.whoami()
    assert client.call("end_session")["state"] == "ended"
    second = client.whoami()
    assert second != first
    assert desk.row(first)["end_reason"] == "end_session"
    assert client.whoami() == second
    if era == LATE:
        assert desk.row(second)["parent_session_id"] == first
    assert desk.row(first)["state"] == "ended"


def test_nothing_to_end_is_said(desk: Desk) -> None:
    assert desk.client().refused("end_session").startswith("NOT_FOUND: ")
    assert desk.rows() == []


def wide(desk: Desk, era: str, **headers: str) -> Client:
    """A client whose token sees all of the owner's projects."""
    client = desk.client(era, **headers)
    client.token = desk.new_token(projects=None, machine_id=f"m-{uuid.uuid4().hex[:8]}")
    return client.started()


@HEADED
def test_an_unbound_session_is_bound_by_use_project_and_then_moves(desk: Desk, era: str) -> None:
    client = wide(desk, era)
    unbound = client.call("whoami")
    assert unbound["project_id"] is None
    assert client.refused("who_is_on_duty").startswith("VALIDATION: project: ")
    assert at(client.call("use_project", {"project": desk.project_id})) == (unbound["session_id"], desk.project_id)
    assert at(client.call("whoami")) == (unbound["session_id"], desk.project_id)
    name = f"other {uuid.uuid4().hex}"
    other = desk.new_project(name)
    moved = client.call("use_project", {"project": name.upper()})
    assert moved["project_id"] == other
    assert at(client.call("whoami")) == at(moved)
    before, after = desk.row(unbound["session_id"]), desk.row(moved["session_id"])
    assert (before["state"], before["end_reason"]) == ("ended", "moved")
    assert after["parent_session_id"] == before["session_id"]
    assert client.refused("use_project", {"project": "nowhere"}).startswith("FORBIDDEN: ")
    assert at(client.call("whoami")) == at(moved)


def at(answer: Json) -> tuple[str, str]:
    return answer["session_id"], answer["project_id"]


@HEADED
def test_what_use_project_named_last_holds_for_the_next_process_of_that_client(desk: Desk, era: str) -> None:
    client = wide(desk, era)
    client.call("use_project", {"project": desk.project_id})
    next_one = Client(client.port, client.token, era, client.name).started()
    assert next_one.call("whoami")["project_id"] == desk.project_id
    another = Client(client.port, client.token, era, "codex-mcp-client").started()
    assert another.call("whoami")["project_id"] is None


@HEADED
def test_the_project_of_a_header_counts_before_the_tokens_own_and_moves_a_wire_id(desk: Desk, era: str) -> None:
    client = wide(desk, era, Onduty_Project=desk.project_id)
    first = client.call("whoami")
    assert first["project_id"] == desk.project_id
    other = desk.new_project(f"other {uuid.uuid4().hex}")
    client.headers = {"Onduty-Project": other}
    second = client.call("whoami")
    assert second["project_id"] == other
    assert second["session_id"] != first["session_id"]
    assert at(client.call("whoami")) == at(second)
    if era == LATE:
        row = desk.row(first["session_id"])
        assert (row["state"], row["end_reason"]) == ("ended", "moved")
        assert desk.row(second["session_id"])["parent_session_id"] == first["session_id"]
        client.headers = {}
        assert at(client.call("whoami")) == at(second), "the wire id's own project holds on"


def test_a_project_that_the_token_may_not_see_is_an_error_and_never_the_next(desk: Desk) -> None:
    other = desk.new_project(f"other {uuid.uuid4().hex}")
    for era in (LATE, MODERN):
        client = desk.client(era).started()
        for wrong in (other, "no such project", str(uuid.uuid4())):
            answer = client.post(client.message("tools/call", {"name": "whoami"}), Onduty_Project=wrong)
            assert (answer.status, answer.json["code"]) == (403, "FORBIDDEN")
    assert desk.rows() == []


def test_the_machine_is_the_headers_then_the_tokens_then_named_after_the_token(desk: Desk) -> None:
    assert desk.client().call("whoami")["machine_id"] == "laptop"
    assert desk.client(Onduty_Machine="my desk!").call("whoami")["machine_id"] == "my-desk-"
    client = desk.client()
    client.token = desk.new_token()
    assert client.call("whoami")["machine_id"].startswith("token-")
    late = desk.client(LATE, Onduty_Machine="desk").started()
    late.headers = {}
    assert late.call("whoami")["machine_id"] == "desk", "a wire id keeps what it was minted with"
