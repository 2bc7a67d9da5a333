"""The pages of projects, of a session and of connecting, by everybody: what they show, and what the forms do."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from onduty.clock import rfc3339, wall_ms
from tests.access.browsing import Browsing, words
from tests.access.world import NOBODY, UNKNOWN, World
from tests.people import ALICE, BOB, CHARLIE, VERA

_COLUMNS: Final = (NOBODY, CHARLIE.name, VERA.name, BOB.name, ALICE.name)
# `{bobs}` is a session of Bob's in the team's project, new for each try.
_PAGES: Final = """
    page                                    nobody Charlie Vera Bob Alice
    GET  /projects                          303    200     200  200 200
    GET  /projects/new                      303    200     200  200 200
    POST /projects/new                      303    303     303  303 303
    GET  /sessions/{bobs}                   303    404     200  200 200
    GET  /sessions/{bobs}/events            303    404     200  200 200
    GET  /sessions/{bobs}/end               303    404     403  200 200
    POST /sessions/{bobs}/end               303    404     403  303 303
    GET  /sessions/{unknown}                303    404     404  404 404
    GET  /projects/{team}/connect           303    403     200  200 200
    POST /projects/{team}/connect           303    403     403  200 200
    GET  /projects/{team}/connect/arrived?since=1 303 403  200  200 200
"""
_ROWS: Final = [line.split() for line in _PAGES.strip().splitlines()[1:]]


@pytest.fixture(scope="module")
def browsing(world: World) -> Browsing:
    return Browsing(world)


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_a_page(browsing: Browsing, row: list[str]) -> None:
    method, path, *expected = row
    assert [_status(browsing, who, method, path) for who in _COLUMNS] == expected


def _status(browsing: Browsing, who: str, method: str, path: str) -> str:
    world = browsing.world
    bobs = world.session(BOB.name, world.team) if "{bobs}" in path else ""
    to = path.format(team=world.team, bobs=bobs, unknown=UNKNOWN)
    fields = {"client": "claude"} if path.endswith("/connect") else {"name": "made on a page"}
    answer = browsing.get(who, to) if method == "GET" else browsing.post(who, to, **fields)
    if who == NOBODY:
        assert answer.headers["location"].partition("?")[0] == "/sign-in"
    return str(answer.status)


def tell(world: World, who: str, session: str, *events: dict[str, Any]) -> None:
    now = wall_ms()
    told = [
        {"id": f"{n}", "session": session, **event, "at": rfc3339(now - event["at"])} for n, event in enumerate(events)
    ]
    body = {"sent_at": rfc3339(now), "project_id": world.team, "machine_id": "laptop", "events": told}
    results = world.did(who, "POST", "/agent-events", {**body, "caller_origin": "claude-code"})["results"]
    assert {each["status"] for each in results} == {"accepted"}


def test_the_overview_counts_what_its_reader_may_see(browsing: Browsing) -> None:
    world = browsing.world
    project = world.project(ALICE.name, "counted <b>")
    world.join("Wanda", project, "member")
    for who in (ALICE.name, "Wanda"):
        path = f"/projects/{project}/agent-sessions"
        world.did(who, "POST", path, {"machine_id": f"of-{who}", "caller_role": "qa"})
    mine = words(browsing.get("Wanda", "/projects"))
    assert "2 on duty in 1 project Nobody waits for a person." in mine
    assert re.search(
        r"counted <b> Member 2 on duty .*Wanda of-Alice, of-Wanda 0 s ago|counted <b> Member 2 on duty", mine
    )
    assert "team" not in mine
    assert words(browsing.get("Wanda", "/projects?q=OF-alice")).count("counted <b>") == 1
    none = words(browsing.get("Wanda", "/projects?q=payments"))
    assert "No project matches 'payments'. 1 is hidden. Clear the filter" in none
    assert "counted" not in words(browsing.get(CHARLIE.name, "/projects"))
    assert browsing.get(ALICE.name, f"/projects?q={'x' * 201}").status == 400


def test_whose_agent_waits_is_said_to_its_owner(browsing: Browsing) -> None:
    world = browsing.world
    tell(world, BOB.name, "asks", {"kind": "prompt", "at": 9_000}, {"kind": "waiting", "at": 5_000, "tool": "Bash"})
    assert "1 waits for you." in words(browsing.get(BOB.name, "/projects"))
    alice = browsing.get(ALICE.name, "/projects")
    assert "1 waits for a person." in words(alice)
    assert b"<title>(1) Projects" in alice.body
    assert b"mark-waiting.svg" in alice.body


def test_a_project_is_made_by_a_form(browsing: Browsing) -> None:
    made = browsing.post(VERA.name, "/projects/new", name=" tidy  name ")
    project = made.headers["location"].split("/")[2]
    assert made.headers["location"] == f"/projects/{project}/connect"
    assert browsing.world.did(VERA.name, "GET", f"/projects/{project}")["name"] == "tidy name"
    wrong = browsing.post(VERA.name, "/projects/new", name="x" * 121)
    assert wrong.status == 400
    assert "Write a name of at most 120 characters." in words(wrong)
    assert b'aria-invalid="true"' in wrong.body
    assert b"x" * 121 in wrong.body
    assert browsing.post(VERA.name, "/projects/new").status == 400


def test_a_session_s_page_says_what_it_was_and_is(browsing: Browsing) -> None:
    world = browsing.world
    tell(
        world,
        BOB.name,
        "told-before",
        {"kind": "start", "at": 3_600_000, "reason": "startup", "branch": "feat/x", "folder": "<i>x</i>"},
        {"kind": "prompt", "at": 3_000_000},
        {"kind": "tool_started", "at": 2_990_000, "tool": "Bash", "tool_id": "t1"},
        {"kind": "waiting", "at": 2_980_000, "tool": "Bash", "tool_id": "t1"},
        {"kind": "tool_ended", "at": 2_400_000, "tool": "Bash", "tool_id": "t1"},
        {"kind": "subagent_started", "at": 2_300_000, "tool": "explore", "subagent": "s1"},
        {"kind": "subagent_ended", "at": 2_100_000, "subagent": "s1"},
        {"kind": "turn_ended", "at": 1_900_000},
    )
    path = f"/projects/{world.team}/agent-sessions?active=false&state=idle"
    [row] = [each for each in world.did(VERA.name, "GET", path)["sessions"] if each["branch"] == "feat/x"]
    child = world.did(
        BOB.name,
        "POST",
        path.partition("?")[0],
        {"machine_id": "laptop", "parent": row["session_id"], "caller_role": "qa"},
    )
    page = browsing.get(VERA.name, f"/sessions/{row['session_id']}")
    said = words(page)
    for expected in (
        "Idle. No turn open; last sign of life 31 min ago",
        "31 min Idle No turn open",
        "8 min Working Turn open",
        "9 min Waiting Asks to use Bash",
        "explore Ended",
        "3 min",
        "Turn ended",
        "Started (startup)",
        "<i>x</i>",
        "told-before",
        "Claude Code",
    ):
        assert expected in said, expected
    assert f'href="/sessions/{child["session_id"]}"'.encode() in page.body
    assert "End this session" not in said
    assert "Started by Bob" in words(browsing.get(VERA.name, f"/sessions/{child['session_id']}"))
    assert re.search(rb'<rect class="span" data-state="waiting" x="\d+\.\d\d%" width="\d+\.\d\d%"', page.body)
    assert b"style=" not in page.body


def test_ending_on_the_page_is_the_api_s_own_end(browsing: Browsing) -> None:
    world = browsing.world
    session = world.session(BOB.name, world.team)
    asked = browsing.get(ALICE.name, f"/sessions/{session}/end")
    assert "End this session?" in words(asked)
    assert world.did(BOB.name, "GET", f"/agent-sessions/{session}")["state"] == "working"
    ended = browsing.post(ALICE.name, f"/sessions/{session}/end")
    assert ended.headers["location"] == f"/sessions/{session}"
    assert world.did(BOB.name, "GET", f"/agent-sessions/{session}")["end_reason"] == "deleted"
    said = words(browsing.get(BOB.name, f"/sessions/{session}"))
    assert "Ended. 0 s ago: somebody ended it here." in said
    assert "End this session" not in said
    # Another's session was ended: that is noted, as when it is done over the API.
    noted = world.did(ALICE.name, "GET", f"/projects/{world.team}/audit")["entries"]
    assert "session_ended" in {entry["act"] for entry in noted}


def test_events_are_paged(browsing: Browsing) -> None:
    world = browsing.world
    tell(world, BOB.name, "many", *({"kind": "activity", "at": n * 10} for n in range(450)))
    path = f"/projects/{world.team}/agent-sessions?active=false&limit=1"
    session = world.did(BOB.name, "GET", path)["sessions"][0]["session_id"]
    assert "All 450 events" in words(browsing.get(BOB.name, f"/sessions/{session}"))
    to: str | None = f"/sessions/{session}/events"
    seen: list[bytes] = []
    while to is not None:
        page = browsing.get(BOB.name, to)
        assert page.status == 200
        seen += re.findall(rb'<td><time datetime="([^"]+)"', page.body)
        older = re.search(rb'href="(/sessions/[^"]+/events\?before=[^"]+)"', page.body)
        to = None if older is None else older[1].decode()
    assert len(seen) == 450
    assert seen == sorted(seen, reverse=True)
    for wrong in ("x", "1", "-1-x", "99999999999999999999-x", "1-" + "x" * 300):
        assert browsing.get(BOB.name, f"/sessions/{session}/events?before={wrong}").status == 400


def test_the_line_connects_and_no_address_has_its_code(browsing: Browsing) -> None:
    world = browsing.world
    connect = f"/projects/{world.team}/connect"
    answer = browsing.post(BOB.name, connect, client="claude", project=world.team, role="it's $(me)")
    said = words(answer)
    line = re.search(r"curl .* --code ([0-9A-Z]{4}-[0-9A-Z]{4})", said)
    assert line is not None, said
    for expected in ("connect claude", f"--server {world.server.url}", "--project team", """--role 'it'"'"'s $(me)'"""):
        assert expected in line[0], expected
    assert "Listening for its first sign of life. Nothing yet, 0 s." in said
    made = world.server.call("POST", "/api/pairings/redeem", token=None, json={"code": line[1], "machine_id": "new"})
    assert made.status == 201, made.body
    paired = world.server.call("GET", "/api/me", token=made.json["token"]).json
    assert paired["user_id"] == world.users[BOB.name]


def test_its_row_appears_where_it_is_listened_for(browsing: Browsing) -> None:
    world = browsing.world
    answer = browsing.post(BOB.name, f"/projects/{world.team}/connect", client="other", project=world.team, role="")
    assert f"{world.server.url}/mcp" in words(answer)
    part = re.search(rb'data-part="([^"]+)"', answer.body)
    assert part is not None
    listen = part[1].decode().replace("&amp;", "&")
    world.session(ALICE.name, world.team)
    assert "Nothing yet" in words(browsing.get(BOB.name, listen))
    mine = world.session(BOB.name, world.team)
    assert f'href="/sessions/{mine}"'.encode() in browsing.get(BOB.name, listen).body


def test_the_project_of_the_form_counts(browsing: Browsing) -> None:
    world = browsing.world
    connect = f"/projects/{world.team}/connect"
    assert browsing.post(BOB.name, connect, client="claude", project=world.elsewhere).status == 403
    assert browsing.post(BOB.name, connect, client="no such", project=world.team).status == 400
    wrong = browsing.post(BOB.name, connect, client="claude", project=world.team, role="r" * 121)
    assert (wrong.status, "Write at most 120 characters." in words(wrong)) == (400, True)
    assert "make you a member" in words(browsing.get(VERA.name, connect))
