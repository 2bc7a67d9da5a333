"""The export of a project holds everything that the API tells of it, once, and no secret; it is never held whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onduty import export
from onduty.clock import rfc3339
from onduty.errors import Forbidden
from onduty.export import Export
from onduty.identity.service import Principal
from tests.access.house import House, inside


async def _registered(place: House, project: str, token: str, ref: str, events: int) -> str:
    """A session with so many events, a millisecond apart but for pairs that share one."""
    made = await place.did(
        "POST", f"/projects/{project}/agent-sessions", token, {"machine_id": "laptop", "client_ref": ref}
    )
    now = place.rooms.clock.now()
    told = [
        {"id": f"e{n}", "kind": "tool_started", "at": rfc3339(now - 10_000 + n // 2), "session": ref, "tool": f"t{n}"}
        for n in range(events)
    ]
    for start in range(0, events, 500):
        body = {"sent_at": rfc3339(now), "project_id": project, "machine_id": "laptop"}
        await place.did("POST", "/agent-events", token, {**body, "events": told[start : start + 500]})
    return str(made["session_id"])


def _alice(place: House) -> Principal:
    [token] = place.rooms.identity.tokens_of(place.users["Alice"])
    return token


async def _exported(place: House, project: str) -> dict[str, Any]:
    said = await place.ask("GET", f"/projects/{project}/export", place.alice)
    assert said.status == 200, said.body
    found: dict[str, Any] = said.json
    return found


def test_it_holds_what_the_api_tells_and_no_secret(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        alice = place.alice
        team = (await place.did("POST", "/projects", alice, {"name": "team"}))["id"]
        bob = await place.join("Bob", team, "member")
        secret = await place.secret(team, "viewer")
        ids = [await _registered(place, team, bob, f"thread {n}", n) for n in range(4)]
        await place.did("DELETE", f"/agent-sessions/{ids[0]}", alice)
        other = (await place.did("POST", "/projects", alice, {"name": "other"}))["id"]
        await _registered(place, other, alice, "elsewhere", 1)
        found = await _exported(place, team)
        path = f"/projects/{team}"
        assert found["project"] == await place.did("GET", path, alice)
        for name, key in (("members", "members"), ("invitations", "invitations"), ("audit", "entries")):
            assert found[name] == (await place.did("GET", f"{path}/{name}", alice))[key], name
        rows = {row["session_id"]: row for row in found["sessions"]}
        listed = (await place.did("GET", f"{path}/agent-sessions?active=false", alice))["sessions"]
        assert len(listed) == len(found["sessions"]) == 4
        for row in listed:
            mine = rows[row["session_id"]]
            assert {key: mine[key] for key in row} == row
        assert [len(rows[each]["events"]) for each in ids] == [0, 1, 2, 3]
        assert [rows[each]["aliases"] for each in ids] == [[f"thread {n}"] for n in range(4)]
        assert {key: rows[ids[1]]["events"][0][key] for key in ("id", "kind", "tool", "reason")} == {
            "id": "e0", "kind": "tool_started", "tool": "t0", "reason": None,
        }  # fmt: skip
        text = json.dumps(found)
        assert secret not in text
        assert bob not in text
        assert "elsewhere" not in text

    inside(tmp_path, story)


def test_everything_comes_once_whatever_the_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "SESSIONS_AT_ONCE", 3)
    monkeypatch.setattr(export, "EVENTS_AT_ONCE", 5)

    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        for many in range(11):
            await _registered(place, team, place.alice, f"thread {many}", many)
        sessions = (await _exported(place, team))["sessions"]
        assert [len(row["events"]) for row in sessions] == list(range(11))
        for row in sessions:
            assert {event["id"] for event in row["events"]} == {f"e{n}" for n in range(len(row["events"]))}
            ats = [event["at"] for event in row["events"]]
            assert ats == sorted(ats, reverse=True)

    inside(tmp_path, story)


def test_it_goes_out_in_parts_none_of_which_is_large(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        for number in range(3):
            await _registered(place, team, place.alice, f"thread {number}", 2_500)
        sizes = [len(part) async for part in Export(place.rooms, _alice(place), team).document(0)]
        assert sum(sizes) > 1_000_000
        assert max(sizes) < 250_000

    inside(tmp_path, story)


def test_who_is_no_owner_any_more_gets_no_further_and_sees_that_it_broke_off(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        await _registered(place, team, place.alice, "thread", 3)
        parts: list[bytes] = []

        async def read() -> None:
            async for part in Export(place.rooms, _alice(place), team).document(0):
                parts.append(part)
                place.rooms.projects.place(place.users["Alice"], team, "member")

        with pytest.raises(Forbidden):
            await read()
        assert b"thread" not in b"".join(parts)
        with pytest.raises(json.JSONDecodeError):
            json.loads(b"".join(parts))

    inside(tmp_path, story)


def test_an_empty_project_is_a_whole_document(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        found = await _exported(place, team)
        assert (found["sessions"], found["invitations"]) == ([], [])

    inside(tmp_path, story)
