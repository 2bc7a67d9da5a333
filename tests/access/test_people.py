"""How people come, change and go, each as a story."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.access.house import House, inside
from tests.access.world import UNKNOWN
from tests.inside import said

_DAY_MS = 24 * 3600 * 1000


async def _team(place: House) -> str:
    project_id: str = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
    return project_id


async def _roles(place: House, project_id: str, token: str | None = None) -> dict[str, str]:
    members = (await place.did("GET", f"/projects/{project_id}/members", token or place.alice))["members"]
    return {member["name"]: member["role"] for member in members}


async def _register(place: House, project_id: str, token: str) -> str:
    path = f"/projects/{project_id}/agent-sessions"
    session_id: str = (await place.did("POST", path, token, {"machine_id": "laptop"}))["session_id"]
    return session_id


async def _ends(place: House, project_id: str) -> dict[str, str | None]:
    path = f"/projects/{project_id}/agent-sessions?active=false"
    rows = (await place.did("GET", path, place.alice))["sessions"]
    return {row["session_id"]: row["end_reason"] for row in rows}


def test_an_invitation_lets_one_person_in_once(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = await _team(place)
        made = await place.did("POST", f"/projects/{team}/invitations", place.alice, {"role": "member"})
        listed = (await place.did("GET", f"/projects/{team}/invitations", place.alice))["invitations"]
        assert listed == [{name: value for name, value in made.items() if name != "url"}]
        body = {"secret": made["url"].partition("#")[2], "name": "Bob"}
        # Two at once: one of them joins.
        both = await asyncio.gather(*(place.ask("POST", "/invitations/accept", None, body) for _ in range(2)))
        assert sorted(said.status for said in both) == [200, 400]
        joined = next(said.json for said in both if said.status == 200)
        assert joined["project_id"] == team
        assert await _roles(place, team) == {"Alice": "owner", "Bob": "member"}
        me = await place.did("GET", "/me", joined["token"])
        assert (me["user_id"], me["name"], me["token"]["project_ids"]) == (joined["user_id"], "Bob", None)
        assert (await place.did("GET", f"/projects/{team}/invitations", place.alice))["invitations"] == []

    inside(tmp_path, story)


def test_an_invitation_ends_after_seven_days_or_when_withdrawn(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = await _team(place)
        late, early = await place.secret(team, "viewer"), await place.secret(team, "viewer")
        [first, second] = (await place.did("GET", f"/projects/{team}/invitations", place.alice))["invitations"]
        await place.did("DELETE", f"/projects/{team}/invitations/{second['id']}", place.alice)
        assert (await place.ask("DELETE", f"/projects/{team}/invitations/{second['id']}", place.alice)).status == 404
        said = await place.ask("POST", "/invitations/accept", None, {"secret": early, "name": "Bob"})
        assert (said.status, list(said.json["fieldErrors"])) == (400, ["secret"])
        place.wall.step += 7 * _DAY_MS
        place.rooms.clock.adopt()
        said = await place.ask("POST", "/invitations/accept", None, {"secret": late, "name": "Bob"})
        assert (said.status, list(said.json["fieldErrors"])) == (400, ["secret"])
        assert (await place.ask("DELETE", f"/projects/{team}/invitations/{first['id']}", place.alice)).status == 404

    inside(tmp_path, story)


def test_what_does_not_come_to_joining_spends_nothing(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = await _team(place)
        secret = await place.secret(team, "member")
        nameless = await place.ask("POST", "/invitations/accept", None, {"secret": secret})
        assert (nameless.status, list(nameless.json["fieldErrors"])) == (400, ["name"])
        again = await place.ask("POST", "/invitations/accept", place.alice, {"secret": secret})
        assert again.status == 409
        narrowed = await place.did("POST", "/tokens", place.alice, {"name": "n", "project_ids": [team]})
        assert (await place.ask("POST", "/invitations/accept", narrowed["token"], {"secret": secret})).status == 403
        assert (await place.ask("POST", "/invitations/accept", "ody_wrong", {"secret": secret})).status == 401
        said = await place.ask("POST", "/invitations/accept", None, {"secret": secret, "name": "Bob"})
        assert said.status == 200

    inside(tmp_path, story)


def test_who_has_an_account_joins_with_it(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        one, two = await _team(place), await _team(place)
        bob = await place.join("Bob", one, "viewer")
        body = {"secret": await place.secret(two, "owner")}
        joined = (await place.ask("POST", "/invitations/accept", bob, body)).json
        assert joined == {"user_id": place.users["Bob"], "project_id": two, "token": None}
        assert [p["role"] for p in (await place.did("GET", "/projects", bob))["projects"]] == ["viewer", "owner"]

    inside(tmp_path, story)


def test_ten_tries_a_minute_and_address(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        body = {"secret": "0" * 64, "name": "Eve"}
        tries = [await place.ask("POST", "/invitations/accept", None, body, address="203.0.113.9") for _ in range(11)]
        assert [told.status for told in tries] == [400] * 10 + [429]
        assert int(dict(tries[-1].headers)[b"retry-after"]) >= 1
        plain = said("POST", "/api/invitations/accept", None, body, "203.0.113.9")
        spoofed = (*plain.headers, (b"x-forwarded-for", b"198.51.100.1"))
        again = await place.server.ask(replace(plain, headers=spoofed))
        assert again.status == 429, "no proxy is trusted here"
        assert (await place.ask("POST", "/invitations/accept", None, body, address="203.0.113.10")).status == 400

    inside(tmp_path, story)


def test_the_last_owner_can_neither_leave_nor_be_lowered(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = await _team(place)
        herself = f"/projects/{team}/members/{place.users['Alice']}"
        for role in ("member", "viewer"):
            assert (await place.ask("PATCH", herself, place.alice, {"role": role})).status == 409
        assert (await place.ask("DELETE", herself, place.alice)).status == 409
        assert (await place.did("PATCH", herself, place.alice, {}))["role"] == "owner"
        bob = await place.join("Bob", team, "owner")
        himself = f"/projects/{team}/members/{place.users['Bob']}"
        # Both at once: one owner is left.
        both = await asyncio.gather(place.ask("DELETE", herself, place.alice), place.ask("DELETE", himself, bob))
        assert sorted(said.status for said in both) == [204, 409]

    inside(tmp_path, story)


def test_a_member_leaves_and_a_viewer_removes_nobody(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = await _team(place)
        bob, vera = await place.join("Bob", team, "member"), await place.join("Vera", team, "viewer")
        session_id = await _register(place, team, bob)
        for one, other in ((bob, "Vera"), (vera, "Bob"), (bob, "Alice")):
            path = f"/projects/{team}/members/{place.users[other]}"
            assert (await place.ask("DELETE", path, one)).status == 403
        await place.did("DELETE", f"/projects/{team}/members/{place.users['Bob']}", bob)
        assert (await place.ask("GET", f"/projects/{team}", bob)).status == 403
        assert (await place.ask("POST", f"/agent-sessions/{session_id}/activity", bob)).status == 404
        assert await _ends(place, team) == {session_id: "revoked"}
        assert await _roles(place, team) == {"Alice": "owner", "Vera": "viewer"}

    inside(tmp_path, story)


def test_who_is_lowered_to_viewer_looks_on_from_the_next_request(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team, other = await _team(place), await _team(place)
        bob = await place.join("Bob", team, "owner")
        here = await _register(place, team, bob)
        body = {"secret": await place.secret(other, "member")}
        await place.ask("POST", "/invitations/accept", bob, body, address="192.0.2.99")
        there = await _register(place, other, bob)
        link = await place.secret(team, "owner", bob)
        path = f"/projects/{team}/members/{place.users['Bob']}"
        assert (await place.did("PATCH", path, place.alice, {"role": "viewer"}))["role"] == "viewer"
        assert (await place.ask("POST", f"/agent-sessions/{here}/activity", bob)).status == 403
        assert (await place.ask("POST", f"/projects/{team}/agent-sessions", bob, {"machine_id": "m"})).status == 403
        assert (await place.ask("GET", f"/projects/{team}", bob)).status == 200
        assert (await place.ask("POST", f"/agent-sessions/{there}/activity", bob)).status == 204
        assert await _ends(place, team) == {here: "revoked"}
        said = await place.ask("POST", "/invitations/accept", None, {"secret": link, "name": "Eve"})
        assert said.status == 400, "who may not invite any longer has invited nobody"
        assert (await place.did("PATCH", path, place.alice, {"role": "member"}))["role"] == "member"
        await _register(place, team, bob)

    inside(tmp_path, story)


def test_a_narrowed_token_manages_nothing(tmp_path: Path) -> None:
    """An owner's too: it is for agents, and an invitation would be a way to a token that is not narrowed."""

    async def story(place: House) -> None:
        team = await _team(place)
        await place.join("Bob", team, "member")
        made = await place.did("POST", "/tokens", place.alice, {"name": "n", "project_ids": [team]})
        bobs = f"/projects/{team}/members/{place.users['Bob']}"
        tries: list[tuple[str, str, Any]] = [
            ("PATCH", f"/projects/{team}", {"name": "x"}),
            ("DELETE", f"/projects/{team}", None),
            ("POST", f"/projects/{team}/invitations", {}),
            ("DELETE", f"/projects/{team}/invitations/{UNKNOWN}", None),
            ("PATCH", bobs, {"role": "viewer"}),
            ("DELETE", bobs, None),
            ("GET", "/tokens", None),
            ("DELETE", f"/tokens/{UNKNOWN}", None),
        ]
        assert {(await place.ask(*one[:2], made["token"], one[2])).status for one in tries} == {403}
        assert await _roles(place, team, made["token"]) == {"Alice": "owner", "Bob": "member"}

    inside(tmp_path, story)


def test_lists_of_projects_people_and_tokens_come_in_pages(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = await _team(place)
        for number in range(4):
            await place.join(f"Guest {number}", team, "viewer")
            await place.did("POST", "/tokens", place.alice, {"name": str(number)})
            await place.did("POST", f"/projects/{team}/invitations", place.alice, {})
            await place.did("POST", "/projects", place.alice, {"name": "one of many"})
        for path, name, key, number in (
            (f"/projects/{team}/members", "members", "user_id", 5),
            (f"/projects/{team}/invitations", "invitations", "id", 4),
            ("/tokens", "tokens", "id", 4),
            ("/projects", "projects", "id", 5),
        ):
            whole = (await place.did("GET", path, place.alice))[name]
            assert len(whole) == number
            rows: list[Any] = []
            query = "?limit=2"
            while query:
                page = await place.did("GET", path + query, place.alice)
                assert len(page[name]) <= 2
                rows += page[name]
                query = f"?limit=2&cursor={page['next_cursor']}" if "next_cursor" in page else ""
            assert [row[key] for row in rows] == [row[key] for row in whole]
            for wrong in ("limit=0", "limit=1001", "limit=x", "cursor=x", "limit=1&limit=2"):
                assert (await place.ask("GET", f"{path}?{wrong}", place.alice)).status == 400, wrong

    inside(tmp_path, story)
