"""A tool and its REST twin show the same set, and act on the same set."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.world import READER, World, answer_of
from tests.people import ALICE, BOB, CHARLIE, VERA

_ON_DUTY = "active=false&state=working,waiting,idle,quiet"
_PEOPLE = (ALICE.name, BOB.name, VERA.name, CHARLIE.name, READER)


def _listed(world: World, who: str, project_id: str) -> set[str] | None:
    answer = world.call(who, "GET", f"/projects/{project_id}/agent-sessions?{_ON_DUTY}")
    return None if answer.status == 403 else {row["session_id"] for row in answer.json["sessions"]}


def _told(world: World, who: str, project_id: str) -> set[str] | None:
    answer = world.tool(who, "who_is_on_duty", {}, **{"Onduty-Project": project_id})
    return None if answer.status == 403 else {row["session_id"] for row in answer_of(answer)[1]["agents"]}


@pytest.mark.parametrize("who", _PEOPLE)
def test_who_is_on_duty_shows_what_the_list_shows(world: World, who: str) -> None:
    world.session(BOB.name, world.team)
    world.session(CHARLIE.name, world.elsewhere)
    for project_id in (world.team, world.elsewhere):
        told = _told(world, who, project_id)
        assert told == _listed(world, who, project_id)


@pytest.mark.parametrize("who", _PEOPLE)
def test_whoami_is_a_session_that_one_may_get(world: World, who: str) -> None:
    project_id = world.elsewhere if who == CHARLIE.name else world.team
    _, me = answer_of(world.tool(who, "whoami", {}, **{"Onduty-Project": project_id}))
    assert me["user_id"] == world.did(who, "GET", "/me")["user_id"]
    own = {row["session_id"] for row in world.did(who, "GET", "/me/agent-sessions")["sessions"]}
    assert me["session_id"] in own | {None}
    assert (me["session_id"] is None) == (who in (VERA.name, READER))


@pytest.mark.parametrize("who", _PEOPLE)
def test_use_project_takes_the_projects_that_the_list_lets_one_act_in(world: World, who: str) -> None:
    listed = world.did(who, "GET", "/projects")["projects"]
    may_act = {p["id"] for p in listed if p["role"] != "viewer"} if who != READER else set()
    tried = {p["id"] for p in listed} | {world.team, world.elsewhere}
    assert {i for i in tried if answer_of(world.tool(who, "use_project", {"project": i}))[0] == "ok"} == may_act


@pytest.mark.parametrize(
    ("tool", "arguments", "method"), [("set_status", {"said": "hello"}, "PATCH"), ("end_session", {}, "DELETE")]
)
def test_a_tool_acts_on_the_sessions_that_its_twin_acts_on(
    world: World, tool: str, arguments: dict[str, Any], method: str
) -> None:
    """But for an owner, who may end anybody's: an agent of theirs ends its own."""
    for who in (BOB.name, VERA.name, CHARLIE.name):
        sessions = {
            "bobs": (world.session(BOB.name, world.team), world.team),
            "charlies": (world.session(CHARLIE.name, world.elsewhere), world.elsewhere),
            "alices": (world.session(ALICE.name, world.team), world.team),
        }
        by_tool = set()
        for name, (session_id, project_id) in sessions.items():
            answer = world.tool(who, tool, {**arguments, "session": session_id}, **{"Onduty-Project": project_id})
            if answer.status == 200 and answer_of(answer)[0] == "ok":
                by_tool.add(name)
        again = {name: world.session(_of(name), project_id) for name, (_, project_id) in sessions.items()}
        by_route = {
            name
            for name, session_id in again.items()
            if world.call(who, method, f"/agent-sessions/{session_id}", {"said": "x"}).status < 300
        }
        assert by_tool == by_route == {"bobs"} & {f"{who.lower()}s"} | {"charlies"} & {f"{who.lower()}s"}


def _of(name: str) -> str:
    return {"bobs": BOB.name, "charlies": CHARLIE.name, "alices": ALICE.name}[name]
