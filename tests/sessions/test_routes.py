"""REST for one session, for projects and for oneself, asked of a real server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.serving import Server
from tests.sessions.contract import validated_error, validated_row
from tests.sessions.desk import AT, SESSIONS, Desk, event, refused


@pytest.fixture
def desk(server: Server) -> Desk:
    return Desk(server)


def test_a_register_answers_the_row(desk: Desk) -> None:
    """201, all that was named cleaned and kept, and the listed row is the same."""
    row = desk.new(
        caller_role="  back\tend \u202e", caller_origin="codex", client_ref="t-1", client_version="1.2", branch="a b~c"
    )
    assert (row["caller_role"], row["branch"], row["client_version"]) == ("back end", "a-b-c", "1.2")
    assert (row["state"], row["because"]["signal"], row["ended_at"]) == ("working", "call", None)
    assert desk.row(row["session_id"]) == row
    assert desk.row(row["session_id"].upper()) == row


def test_a_known_client_ref_is_the_same_session(desk: Desk) -> None:
    """200: what is named is set, null clears, what is absent stays; `connected_at` never changes."""
    first = desk.new(client_ref="t-1", caller_role="qa", branch="main", folder="app")
    answer = desk.register(client_ref="t-1", caller_role=None, branch="dev")
    assert answer.status == 200
    again = validated_row(answer.json)
    assert again["session_id"] == first["session_id"]
    assert (again["caller_role"], again["branch"], again["folder"]) == (None, "dev", "app")
    assert again["connected_at"] == first["connected_at"]
    assert again["last_activity_at"] >= first["last_activity_at"]
    assert desk.ids() == [first["session_id"]]


def test_another_machine_or_no_client_ref_is_another_session(desk: Desk) -> None:
    """The key is user, machine, project and `client_ref`."""
    made = [desk.new(client_ref="t-1"), desk.new(client_ref="t-1", machine_id="tower"), desk.new(), desk.new()]
    made += [desk.new(client_ref=""), desk.new(client_ref=None), Desk(desk.server).new(client_ref="t-1")]
    assert len({row["session_id"] for row in made}) == len(made)


def test_two_registers_at_once_make_one_session(desk: Desk) -> None:
    """Whoever comes first, one is 201, the others 200, all with the same id."""
    for ref in ("a", "b", "c"):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, ref=ref: desk.register(client_ref=ref), range(8)))
        assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
        assert len({answer.json["session_id"] for answer in answers}) == 1
    assert len(desk.ids()) == 3


def test_a_register_reopens_what_had_ended(desk: Desk) -> None:
    """The same session goes on, and no end is shown any more."""
    row = desk.new(client_ref="t-1")
    assert desk.end(row["session_id"]).status == 204
    assert desk.ids("") == []
    answer = desk.register(client_ref="t-1")
    assert (answer.status, answer.json["session_id"]) == (200, row["session_id"])
    assert (answer.json["state"], answer.json["ended_at"], answer.json["end_reason"]) == ("working", None, None)
    assert desk.ids("") == [row["session_id"]]
    assert desk.act(row["session_id"]).status == 204


def test_a_parent_is_a_session_of_ones_own_there(desk: Desk) -> None:
    """In any case; anything else is 400 at `parent`, and nothing is registered."""
    parent = desk.new()
    assert desk.new(parent=parent["session_id"].upper())["parent_session_id"] == parent["session_id"]
    elsewhere = Desk(desk.server).new()
    before = desk.ids()
    for wrong in (str(uuid4()), elsewhere["session_id"], "x", "", parent["session_id"][:-1]):
        refused(desk.register(parent=wrong), 400, "parent", code="VALIDATION")
    assert desk.ids() == before
    itself = desk.new(client_ref="t-1")
    refused(desk.register(client_ref="t-1", parent=itself["session_id"]), 400, "parent")


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"machine_id": ""}, "machine_id"),
        ({"machine_id": None}, "machine_id"),
        ({"machine_id": 5}, "machine_id"),
        ({"machine_id": "x" * 65}, "machine_id"),
        ({"machine_id": "\u200b"}, "machine_id"),
        ({"caller_role": "x" * 121}, "caller_role"),
        ({"caller_role": ["qa"]}, "caller_role"),
        ({"caller_origin": "a\0b"}, "caller_origin"),
        ({"client_ref": "x" * 201}, "client_ref"),
        ({"client_ref": True}, "client_ref"),
        ({"branch": "x" * 65}, "branch"),
        ({"folder": "\ud800"}, "folder"),
        ({"client_version": "\udfff"}, "client_version"),
    ],
)
def test_a_wrong_field_is_400_at_it(desk: Desk, fields: dict[str, Any], at: str) -> None:
    """Too long before cleaning, empty where required, NUL, a lone surrogate, another type; nothing is registered."""
    refused(desk.register(**fields), 400, at, code="VALIDATION")
    assert desk.ids() == []


def test_lengths_are_counted_in_characters(desk: Desk) -> None:
    """At the limit it is taken, whatever its bytes; unknown fields are ignored."""
    row = desk.new(caller_role="ü" * 120, client_ref="😀" * 200, branch="b" * 64, session_id="mine", state="lost", x={})
    assert (row["caller_role"], row["branch"], row["state"]) == ("ü" * 120, "b" * 64, "working")
    assert row["session_id"] != "mine"


@pytest.mark.parametrize("body", [None, [], "text", 1, [{"machine_id": "laptop"}]])
def test_a_body_is_an_object(desk: Desk, body: Any) -> None:
    """Anything else, and no body at all, is 400."""
    answer = desk.ask("POST", SESSIONS.format(desk.project), body)
    assert answer.status == 400
    validated_error(answer.json)


def test_a_missing_machine_is_400_at_it(desk: Desk) -> None:
    """The one field that a register needs."""
    refused(desk.ask("POST", SESSIONS.format(desk.project), {}), 400, "machine_id")


def test_a_project_that_is_not_seen_takes_no_register(desk: Desk) -> None:
    """403, for a foreign one and a missing one alike."""
    body = {"machine_id": "laptop"}
    foreign = desk.server.call("POST", SESSIONS.format(desk.project), json=body)
    missing = desk.ask("POST", SESSIONS.format(uuid4()), body)
    refused(foreign, 403, code="FORBIDDEN")
    assert (missing.status, missing.body) == (403, foreign.body)


def test_a_patch_sets_and_clears(desk: Desk) -> None:
    """It answers the row and is activity; null and what is empty once cleaned clear, {} is 200."""
    row = desk.new(caller_role="qa", branch="main")
    answer = desk.change(row["session_id"], {"said": "on it\n now", "ticket": "#7", "branch": None})
    assert answer.status == 200
    changed = validated_row(answer.json)
    words = [changed[name] for name in ("said", "ticket", "branch", "caller_role")]
    assert words == ["on it now", "#7", None, "qa"]
    assert changed["last_activity_at"] > row["last_activity_at"]
    empty = desk.change(row["session_id"], {})
    assert empty.status == 200
    assert empty.json["said"] == "on it now"
    assert desk.change(row["session_id"], {"said": "\u200b ", "machine_id": "x"}).json["said"] is None
    assert desk.row(row["session_id"])["machine_id"] == "laptop"
    for name in ("said", "ticket", "caller_role"):
        refused(desk.change(row["session_id"], {name: "x" * 121}), 400, name)


def test_activity_is_a_sign_of_life(desk: Desk) -> None:
    """204 without a body or with any; it moves `last_activity_at` and nothing else."""
    row = desk.new()
    assert desk.act(row["session_id"].upper()).status == 204
    path = f"/api/agent-sessions/{row['session_id']}/activity"
    for body in (b"{}", b"not json", b"\0"):
        answer = desk.server.call("POST", path, token=desk.server.owner_token, body=body)
        assert (answer.status, answer.body) == (204, b"")
    after = desk.row(row["session_id"])
    assert after["last_activity_at"] > row["last_activity_at"]
    assert after["because"] == {"signal": "call", "at": after["last_activity_at"]}
    assert {**after, "last_activity_at": 0, "because": 0} == {**row, "last_activity_at": 0, "because": 0}


def test_an_ended_session_takes_nothing(desk: Desk) -> None:
    """Activity and PATCH are 409 ENDED and change nothing; DELETE twice is fine and changes nothing."""
    row = desk.new(caller_role="qa")
    for _ in range(3):
        answer = desk.end(row["session_id"])
        assert (answer.status, answer.body) == (204, b"")
        ended = desk.row(row["session_id"])
        assert (ended["state"], ended["end_reason"], ended["because"]["signal"]) == ("ended", "deleted", "end")
        assert ended["last_activity_at"] == row["last_activity_at"]
    before = desk.row(row["session_id"])
    refused(desk.act(row["session_id"]), 409, code="ENDED")
    refused(desk.change(row["session_id"], {"said": "still here"}), 409, code="ENDED")
    refused(desk.change(row["session_id"], {}), 409, code="ENDED")
    assert desk.row(row["session_id"]) == before


def test_an_unknown_session_is_404(desk: Desk) -> None:
    """For every method alike, also for one in a project that the caller may not see; 400 at what is no id."""
    hidden, unknown = desk.new()["session_id"], str(uuid4())
    for method, rest in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/activity")):
        body: dict[str, Any] | None = {} if method == "PATCH" else None
        missing = desk.ask(method, f"/api/agent-sessions/{unknown}{rest}", body)
        refused(missing, 404, code="NOT_FOUND")
        foreign = desk.server.call(method, f"/api/agent-sessions/{hidden}{rest}", json=body)
        assert (foreign.status, foreign.body) == (404, missing.body)
        refused(desk.ask(method, f"/api/agent-sessions/x{rest}", body), 400, "session_id")
    assert desk.row(hidden)["state"] == "working"


def test_me_says_who_asks(desk: Desk) -> None:
    """The user and the token, without its secret."""
    answer = desk.server.call("GET", "/api/me")
    assert answer.status == 200
    assert answer.json["token"]["project_ids"] == [desk.server.project_id]
    assert desk.server.token not in answer.body.decode()
    assert desk.ask("GET", "/api/me").json["token"]["project_ids"] is None
    assert desk.ask("GET", "/api/me").json["user_id"] == answer.json["user_id"]


def test_my_sessions_are_those_of_all_projects_and_of_none(desk: Desk) -> None:
    """The seed's query and pages over all of them; a narrowed token sees its project's only."""
    bound, elsewhere = desk.new()["session_id"], Desk(desk.server).new()["session_id"]
    batch = {"sent_at": AT, "machine_id": "laptop", "events": [event("1", "prompt", session=f"free-{desk.project}")]}
    unbound = desk.ask("POST", "/api/agent-events", batch).json["results"][0]["session_id"]
    mine = desk.ask("GET", "/api/me/agent-sessions")
    rows = {row["session_id"]: validated_row(row) for row in mine.json["sessions"]}
    assert {bound, elsewhere, unbound} <= set(rows)
    assert rows[unbound]["project_id"] is None
    assert unbound not in desk.ids()
    assert mine.headers["vary"] == "Authorization"
    narrowed = desk.server.call("GET", "/api/me/agent-sessions?active=false").json["sessions"]
    assert not {bound, elsewhere, unbound} & {row["session_id"] for row in narrowed}
    assert desk.end(unbound).status == 204
    assert unbound not in {row["session_id"] for row in desk.ask("GET", "/api/me/agent-sessions").json["sessions"]}
    page = desk.ask("GET", "/api/me/agent-sessions?active=false&limit=7").json
    paged = [row["session_id"] for row in page["sessions"]]
    while "next_cursor" in page:
        page = desk.ask("GET", f"/api/me/agent-sessions?active=false&limit=7&cursor={page['next_cursor']}").json
        paged += [row["session_id"] for row in page["sessions"]]
    assert len(paged) == len(set(paged))
    assert {bound, elsewhere, unbound} <= set(paged)
    refused(desk.ask("GET", "/api/me/agent-sessions?active=yes"), 400, "active")


def test_projects_are_made_and_seen(desk: Desk) -> None:
    """201 with the row, which the list and its own address show; a narrowed token makes none and sees its own."""
    made = desk.ask("POST", "/api/projects", {"name": " One\nmore "})
    assert made.status == 201
    assert (made.json["name"], made.json["role"]) == ("One more", "owner")
    assert desk.ask("GET", f"/api/projects/{made.json['id'].upper()}").json == made.json
    assert made.json in desk.ask("GET", "/api/projects").json["projects"]
    for wrong in ({}, {"name": ""}, {"name": "x" * 121}, {"name": None}):
        refused(desk.ask("POST", "/api/projects", wrong), 400, "name")
    narrowed = desk.server.call("GET", "/api/projects").json["projects"]
    assert [project["id"] for project in narrowed] == [desk.server.project_id]
    refused(desk.server.call("POST", "/api/projects", json={"name": "mine"}), 403)
    refused(desk.server.call("GET", f"/api/projects/{made.json['id']}"), 403)
    refused(desk.ask("GET", f"/api/projects/{uuid4()}"), 403)
    refused(desk.ask("GET", "/api/projects/x"), 400, "id")
