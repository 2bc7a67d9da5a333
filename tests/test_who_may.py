"""Who may do what over REST: Alice owns, Bob is a member, Vera looks on, Charlie is nobody here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.inside import Inside, Still, furnish, opened
from tests.people import EVERYBODY, Person

_LIST = "/api/projects/{}/agent-sessions"


def _in(path: Path, story: Callable[[Inside], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = Still()
        file = path / "onduty.sqlite3"
        tokens, project_id = await furnish(file, clock)
        async with opened(file, clock, tokens, project_id) as inside:
            await story(inside)

    asyncio.run(run())


async def _new(inside: Inside, who: str) -> str:
    path = _LIST.format(inside.project_id)
    made = await inside.call(who, "POST", path, {"machine_id": "laptop"})
    assert made.status == 201, made.body
    return f"/api/agent-sessions/{made.json['session_id']}"


@pytest.mark.parametrize("person", EVERYBODY, ids=lambda person: person.name)
def test_who_sees_a_project(tmp_path: Path, person: Person) -> None:
    """Members and viewers see its sessions; to anybody else the project is 403, each of its sessions 404."""

    async def story(inside: Inside) -> None:
        own = await _new(inside, "Alice")
        listed = await inside.call(person.name, "GET", _LIST.format(inside.project_id))
        assert listed.status == (200 if person.may_see else 403)
        assert (await inside.call(person.name, "GET", own)).status == (200 if person.may_see else 404)
        seen = (await inside.call(person.name, "GET", "/api/projects")).json["projects"]
        assert (inside.project_id in [project["id"] for project in seen]) == person.may_see

    _in(tmp_path, story)


@pytest.mark.parametrize("person", EVERYBODY, ids=lambda person: person.name)
def test_who_registers_and_acts(tmp_path: Path, person: Person) -> None:
    """Owner and members register and act on their own; a session that is seen but not theirs is 403."""

    async def story(inside: Inside) -> None:
        made = await inside.call(person.name, "POST", _LIST.format(inside.project_id), {"machine_id": "laptop"})
        assert made.status == (201 if person.may_act else 403)
        if person.may_act:
            own = f"/api/agent-sessions/{made.json['session_id']}"
            assert (await inside.call(person.name, "POST", own + "/activity")).status == 204
            assert (await inside.call(person.name, "PATCH", own, {"said": "mine"})).status == 200
            assert (await inside.call(person.name, "DELETE", own)).status == 204
        others = await _new(inside, "Bob" if person.name == "Alice" else "Alice")
        status = 403 if person.may_see else 404
        for path in (others + "/activity", others + "/activity?x=1"):
            assert (await inside.call(person.name, "POST", path)).status == status
        assert (await inside.call(person.name, "PATCH", others, {"said": "mine"})).status == status
        assert (await inside.call("Alice", "GET", others)).json["said"] is None

    _in(tmp_path, story)


@pytest.mark.parametrize("person", EVERYBODY, ids=lambda person: person.name)
def test_who_ends_anybodys_session(tmp_path: Path, person: Person) -> None:
    """An owner ends any; a member or a viewer only their own, which for a viewer is none."""

    async def story(inside: Inside) -> None:
        others = await _new(inside, "Bob" if person.name == "Alice" else "Alice")
        status = 204 if person.may_end_any else 403 if person.may_see else 404
        assert (await inside.call(person.name, "DELETE", others)).status == status
        state = (await inside.call("Bob", "GET", others)).json["state"]
        assert state == ("ended" if person.may_end_any else "working")

    _in(tmp_path, story)


def test_a_read_only_token_writes_nothing(tmp_path: Path) -> None:
    """It reads what its user reads; every write is 403, a batch of events as a whole."""

    async def story(inside: Inside) -> None:
        own, path = await _new(inside, "Alice"), _LIST.format(inside.project_id)
        assert (await inside.call("read-only", "GET", path)).status == 200
        event = {"id": "1", "kind": "start", "at": "2026-01-01T00:00:00Z", "session": "x"}
        batch = {"sent_at": "2026-01-01T00:00:00Z", "project_id": inside.project_id, "events": [event]}
        for method, where, body in (
            ("POST", path, {"machine_id": "laptop"}),
            ("POST", own + "/activity", None),
            ("PATCH", own, {"said": "x"}),
            ("DELETE", own, None),
            ("POST", "/api/agent-events", batch),
            ("POST", "/api/projects", {"name": "x"}),
            ("POST", "/api/tokens", {"name": "x"}),
        ):
            told = await inside.call("read-only", method, where, body)
            assert (told.status, told.json["code"]) == (403, "FORBIDDEN"), (method, where)
        listed = (await inside.call("Alice", "GET", path)).json["sessions"]
        assert [(row["said"], row["state"]) for row in listed] == [(None, "working")]

    _in(tmp_path, story)


def test_a_narrowed_token_sees_its_projects_alone(tmp_path: Path) -> None:
    """Its user owns another project; through this token that one is like one that does not exist."""

    async def story(inside: Inside) -> None:
        own, path = await _new(inside, "Alice"), _LIST.format(inside.project_id)
        assert (await inside.call("narrowed", "GET", path)).status == 403
        assert (await inside.call("narrowed", "GET", own)).status == 404
        assert (await inside.call("narrowed", "POST", own + "/activity")).status == 404
        assert (await inside.call("narrowed", "GET", "/api/me/agent-sessions")).json == {"sessions": []}
        seen = (await inside.call("narrowed", "GET", "/api/projects")).json["projects"]
        assert [project["name"] for project in seen] == ["elsewhere"]
        for where in ("/api/projects", "/api/tokens"):
            assert (await inside.call("narrowed", "POST", where, {"name": "x"})).status == 403

    _in(tmp_path, story)


def test_events_act_for_their_sender_alone(tmp_path: Path) -> None:
    """An id of ours that is somebody else's rejects the item; an alias is its sender's own, whatever others call so."""

    async def story(inside: Inside) -> None:
        alices = (await _new(inside, "Alice")).rpartition("/")[2]
        at = "2026-01-01T00:00:00Z"
        events = [{"id": "1", "kind": "prompt", "at": at, "session": session} for session in (alices, "thread")]
        batch = {"sent_at": at, "project_id": inside.project_id, "machine_id": "laptop", "events": events}
        told = {
            who: (await inside.call(who, "POST", "/api/agent-events", batch)).json for who in ("Alice", "Bob", "Vera")
        }
        statuses = {who: [item["status"] for item in body["results"]] for who, body in told.items()}
        assert statuses["Alice"] == ["accepted", "accepted"]
        assert statuses["Bob"] == ["rejected", "accepted"]
        assert told["Bob"]["results"][0]["error"]["code"] == "FORBIDDEN"
        assert statuses["Vera"] == ["rejected", "rejected"]
        assert told["Alice"]["results"][1]["session_id"] != told["Bob"]["results"][1]["session_id"]

    _in(tmp_path, story)
