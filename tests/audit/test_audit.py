"""Each act stands in the audit log: who, what, about whom, when, from where; in the transaction of the act."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, get_args

import pytest

from onduty.audit.model import Act
from onduty.clock import parse_rfc3339
from tests.access.house import House, inside

# The server's own, and what a person does in a browser: sessions/test_retention.py, identity/test_profile.py.
_ELSEWHERE = {"sessions_removed", "member_renamed", "email_changed", "password_changed"} | {
    "signed_in_by_link",
    "signed_in_by_password",
    "browser_ended",
}


async def _entries(place: House, project_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await place.did("GET", f"/projects/{project_id}/audit", place.alice))["entries"]
    return found


async def _first_uses_written(place: House, project_id: str, number: int) -> None:
    for _ in range(1000):
        if sum(e["act"] == "token_used_first" for e in await _entries(place, project_id)) == number:
            return
        await asyncio.sleep(0.01)
    pytest.fail("a first use is not noted")


def test_every_act_is_noted_with_who_and_from_where(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        alice, users = place.alice, place.users
        team = (await place.did("POST", "/projects", alice, {"name": "team"}))["id"]
        path = f"/projects/{team}"
        await place.did("PATCH", path, alice, {"name": "crew", "retention_days": 7})
        await place.did("POST", f"{path}/invitations", alice, {"role": "viewer"})
        [unused] = (await place.did("GET", f"{path}/invitations", alice))["invitations"]
        await place.did("DELETE", f"{path}/invitations/{unused['id']}", alice)
        bob = await place.join("Bob", team, "viewer")
        vera = await place.join("Vera", team, "viewer")
        bobs, veras = (f"{path}/members/{users[name]}" for name in ("Bob", "Vera"))
        await place.did("PATCH", bobs, alice, {"role": "member"})
        session = await place.did("POST", f"{path}/agent-sessions", bob, {"machine_id": "m", "caller_origin": "codex"})
        await place.did("DELETE", f"/agent-sessions/{session['session_id']}", alice)
        await place.did("DELETE", f"/agent-sessions/{session['session_id']}", alice)
        token = await place.did("POST", "/tokens", bob, {"name": "agent", "project_ids": [team]})
        await place.ask("GET", "/me", token["token"], address="198.51.100.7")
        await place.did("DELETE", f"/tokens/{token['id']}", bob)
        await place.did("PATCH", bobs, alice, {"role": "viewer"})
        await place.did("DELETE", bobs, alice)
        await place.did("DELETE", veras, vera)
        await _first_uses_written(place, team, 3)
        entries = await _entries(place, team)
        assert {entry["act"] for entry in entries} == set(get_args(Act)) - _ELSEWHERE
        first_use = next(e for e in entries if e["act"] == "token_used_first" and e["about_id"] == token["id"])
        assert (first_use["name"], first_use["address"], first_use["about_name"]) == ("Bob", "198.51.100.7", "agent")
        ended = [entry for entry in entries if entry["act"] == "session_ended"]
        assert len(ended) == 1, "an end that changed nothing is none"
        about = (ended[0]["name"], ended[0]["about_user_name"], ended[0]["about_id"], ended[0]["about_name"])
        assert about == ("Alice", "Bob", session["session_id"], "codex")
        lowered = next(entry for entry in entries if entry["act"] == "member_lowered")
        assert (lowered["about_user_id"], lowered["about_role"]) == (users["Bob"], "viewer")
        assert {entry["address"] for entry in entries} == {"192.0.2.1", "192.0.2.11", "192.0.2.12", "198.51.100.7"}
        now = place.rooms.clock.now()
        assert all(0 <= now - parse_rfc3339(entry["at"]) < 60_000 for entry in entries)
        text = str(entries)
        assert token["token"] not in text
        assert bob not in text

    inside(tmp_path, story)


def test_newest_first_in_pages_without_a_hole_or_a_repeat(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "0"}))["id"]
        for number in range(1, 25):
            await place.did("PATCH", f"/projects/{team}", place.alice, {"name": str(number)})
        names: list[str] = []
        query = "?limit=4"
        while query:
            page = await place.did("GET", f"/projects/{team}/audit{query}", place.alice)
            assert len(page["entries"]) <= 4
            names += [e["about_name"] for e in page["entries"] if e["act"].startswith("project_")]
            query = f"?limit=4&cursor={page['next_cursor']}" if "next_cursor" in page else ""
            # What is new meanwhile stands before the first page.
            await place.did("PATCH", f"/projects/{team}", place.alice, {"name": "new"})
        assert names == [str(number) for number in range(24, -1, -1)]
        for cursor in ("x", "4pi6", "IHg=", "LTEgeA=="):
            assert (await place.ask("GET", f"/projects/{team}/audit?cursor={cursor}", place.alice)).status == 400

    inside(tmp_path, story)


def test_an_act_that_is_undone_is_not_noted(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        secret = await place.secret(team, "member")
        before = await _entries(place, team)
        said = await place.ask("POST", "/invitations/accept", place.alice, {"secret": secret})
        assert said.status == 409
        herself = f"/projects/{team}/members/{place.users['Alice']}"
        assert (await place.ask("DELETE", herself, place.alice)).status == 409
        assert [e for e in await _entries(place, team) if e["act"] != "token_used_first"] == [
            e for e in before if e["act"] != "token_used_first"
        ]

    inside(tmp_path, story)


def test_a_first_use_is_noted_on_the_hot_path_too(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        made = await place.did("POST", "/tokens", place.alice, {"name": "agent", "project_ids": [team]})
        listed = f"/projects/{team}/agent-sessions"
        for address in ("198.51.100.8", "198.51.100.9"):
            assert (await place.ask("GET", listed, made["token"], address=address)).status == 200
        await _first_uses_written(place, team, 1)
        uses = [e for e in await _entries(place, team) if e["act"] == "token_used_first"]
        assert [(e["about_id"], e["address"]) for e in uses] == [(made["id"], "198.51.100.8")]

    inside(tmp_path, story)
