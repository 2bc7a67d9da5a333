"""What is taken away is gone with the next request: tokens, projects, and what was open meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from select import select
from socket import socket

import pytest
from sqlalchemy import func
from sqlalchemy import select as select_from

from onduty.audit.tables import audit_entries
from onduty.clock import rfc3339
from onduty.database.transaction import Reader
from onduty.identity.tables import token_projects
from onduty.projects import store
from onduty.projects.tables import invitations, members, projects
from onduty.sessions.stream_routes import may_watch
from onduty.sessions.tables import agent_sessions
from tests.access.house import House, inside
from tests.access.world import World
from tests.people import ALICE, BOB
from tests.watching import stream_of, watch


def test_a_token_neither_lists_nor_revokes_itself(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        me = (await place.did("GET", "/me", place.alice))["token"]["id"]
        assert (await place.did("GET", "/tokens", place.alice))["tokens"] == []
        assert (await place.ask("DELETE", f"/tokens/{me}", place.alice)).status == 403
        other = await place.did("POST", "/tokens", place.alice, {"name": "other"})
        [listed] = (await place.did("GET", "/tokens", place.alice))["tokens"]
        assert (listed["id"], listed["name"], listed["last_used_at"]) == (other["id"], "other", None)
        assert "token" not in listed
        [seen] = (await place.did("GET", "/tokens", other["token"]))["tokens"]
        assert seen["id"] == me
        assert seen["last_used_at"] is not None
        [listed] = (await place.did("GET", "/tokens", place.alice))["tokens"]
        assert listed["last_used_at"] is not None

    inside(tmp_path, story)


def test_a_revoked_token_and_its_sessions_end_at_once_and_stay_so(tmp_path: Path) -> None:
    async def story(place: House) -> tuple[str, str, str]:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        made = await place.did("POST", "/tokens", place.alice, {"name": "agent"})
        sessions = f"/projects/{team}/agent-sessions"
        gone = (await place.did("POST", sessions, made["token"], {"machine_id": "m"}))["session_id"]
        stays = (await place.did("POST", sessions, place.alice, {"machine_id": "m"}))["session_id"]
        # The hot operations too: they know the token by now.
        assert (await place.ask("GET", sessions, made["token"])).status == 200
        await place.did("DELETE", f"/tokens/{made['id']}", place.alice)
        for method, path in (("GET", sessions), ("POST", f"/agent-sessions/{gone}/activity"), ("GET", "/me")):
            assert (await place.ask(method, path, made["token"])).status == 401
        rows = (await place.did("GET", sessions + "?active=false", place.alice))["sessions"]
        assert {row["session_id"]: row["end_reason"] for row in rows} == {gone: "revoked", stays: None}
        assert (await place.ask("DELETE", f"/tokens/{made['id']}", place.alice)).status == 404
        return made["token"], place.alice, team

    token, alice, team = inside(tmp_path, story)

    async def after_a_restart(place: House) -> None:
        assert (await place.ask("GET", "/me", token)).status == 401
        rows = (await place.did("GET", f"/projects/{team}/agent-sessions?active=false", alice))["sessions"]
        assert sorted(str(row["end_reason"]) for row in rows) == ["None", "revoked"]

    inside(tmp_path, after_a_restart)


def test_what_cannot_be_written_is_not_taken_away(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        bob = await place.join("Bob", team, "member")
        made = await place.did("POST", "/tokens", place.alice, {"name": "agent"})
        await place.rooms.database.close()
        for path in (f"/tokens/{made['id']}", f"/projects/{team}/members/{place.users['Bob']}", f"/projects/{team}"):
            assert (await place.ask("DELETE", path, place.alice)).status == 503
        assert (await place.ask("GET", "/me", made["token"])).status == 200
        assert (await place.ask("GET", f"/projects/{team}", bob)).status == 200

    inside(tmp_path, story)


def test_a_deleted_project_is_gone_with_everything(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        bob = await place.join("Bob", team, "member")
        narrowed = (await place.did("POST", "/tokens", place.alice, {"name": "n", "project_ids": [team]}))["token"]
        sessions = f"/projects/{team}/agent-sessions"
        ids = [(await place.did("POST", sessions, bob, {"machine_id": "m"}))["session_id"] for _ in range(120)]
        link = await place.secret(team, "owner")
        await place.did("DELETE", f"/projects/{team}", place.alice)
        for token in (place.alice, bob, narrowed):
            assert (await place.ask("GET", sessions, token)).status == 403
            assert (await place.did("GET", "/projects", token))["projects"] == []
            assert (await place.ask("GET", f"/agent-sessions/{ids[0]}", token)).status == 404
        assert (await place.did("GET", "/me", narrowed))["token"]["project_ids"] == []
        events = {"sent_at": "2026-11-24T08:00:00Z", "events": [_prompt()]}
        [result] = (await place.did("POST", "/agent-events", narrowed, events))["results"]
        assert result["status"] == "rejected"
        assert (await place.ask("POST", "/invitations/accept", None, {"secret": link, "name": "E"})).status == 400
        assert not place.rooms.registry.sessions
        for _ in range(1000):
            if await place.rooms.database.read(_left) == {"projects": 0}:
                return
            await asyncio.sleep(0.01)
        pytest.fail("something is left in the database")

    inside(tmp_path, story)


def _prompt() -> dict[str, str]:
    return {"id": "1", "kind": "prompt", "at": "2026-11-24T08:00:00Z", "session": "run"}


def _left(reader: Reader) -> dict[str, int]:
    """How many rows stand in each table about projects; only `projects` is told where there are none."""
    tables = (projects, members, invitations, audit_entries, agent_sessions, token_projects)
    counts = {t.name: reader.connection.execute(select_from(func.count()).select_from(t)).scalar_one() for t in tables}
    return {name: number for name, number in counts.items() if number or name == "projects"}


def test_a_deletion_that_was_cut_short_goes_on_after_the_next_start(tmp_path: Path) -> None:
    async def story(place: House) -> tuple[str, str]:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        await place.did("POST", f"/projects/{team}/agent-sessions", place.alice, {"machine_id": "m"})
        await place.rooms.database.write(lambda writer: store.begin_deletion(writer, team))
        return team, place.alice

    team, alice = inside(tmp_path, story)

    async def after_a_restart(place: House) -> None:
        assert (await place.ask("GET", f"/projects/{team}", alice)).status == 403
        await place.rooms.owning.remove_deleted(place.rooms.background.wake())
        assert await place.rooms.database.read(_left) == {"projects": 0}

    inside(tmp_path, after_a_restart)


@contextmanager
def _stream(world: World, who: str, project_id: str) -> Iterator[tuple[HTTPResponse, socket]]:
    """An open presence stream, read up to where nothing but pings comes, with its connection."""
    connection = HTTPConnection("127.0.0.1", world.server.port, timeout=30)
    headers = {
        "Authorization": f"Bearer {world.tokens[who]}",
        "Accept": "text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
        "Onduty-Project": project_id,
    }
    with closing(connection):
        connection.request("GET", "/mcp", headers=headers)
        wire = connection.sock
        with connection.getresponse() as response:
            assert response.status == 200
            assert [response.readline() for _ in range(3)] == [b"retry: 5000\n", b": open\n", b"\n"]
            yield response, wire


@pytest.mark.parametrize("how", ["revoked", "removed", "lowered", "deleted"])
def test_open_streams_end_with_what_they_rest_on(world: World, how: str) -> None:
    team = world.project(ALICE.name, "streamed")
    guest = world.join("Guest", team, "member")
    token = world.token("Guest")
    world.tokens["agent"] = token["token"]
    session_id = world.session("agent", team)
    takes: dict[str, tuple[str, str, str]] = {
        "revoked": ("Guest", "DELETE", f"/tokens/{token['id']}"),
        "removed": (ALICE.name, "DELETE", f"/projects/{team}/members/{guest}"),
        "lowered": (ALICE.name, "PATCH", f"/projects/{team}/members/{guest}"),
        "deleted": (ALICE.name, "DELETE", f"/projects/{team}"),
    }
    with _stream(world, BOB.name, world.team) as (_, stays), _stream(world, "agent", team) as (goes, _):
        world.did(*takes[how], {"role": "viewer"} if how == "lowered" else None)
        goes.read()  # to its end: an open stream would run into the time limit here
        assert select([stays], [], [], 0)[0] == [], "another's stream has neither ended nor said anything"
    if how != "deleted":
        row = world.did(ALICE.name, "GET", f"/agent-sessions/{session_id}")
        assert (row["state"], row["end_reason"], row["connected"]) == ("ended", "revoked", False)
    expected = {"revoked": 401, "lowered": 200, "removed": 403, "deleted": 403}[how]
    assert (
        world.rpc("agent", {"jsonrpc": "2.0", "id": 1, "method": "ping"}, **{"Onduty-Project": team}).status == expected
    )


@pytest.mark.parametrize("how", ["revoked", "removed", "deleted"])
def test_live_streams_end_with_what_they_rest_on(world: World, how: str) -> None:
    """Whoever may not look any more is told no more, whatever happens then; who reads only may go on."""
    team = world.project(ALICE.name, "watched")
    guest = world.join("Guest", team, "member")
    token = world.token("Guest", read_only=True)
    takes: dict[str, tuple[str, str, str]] = {
        "revoked": ("Guest", "DELETE", f"/tokens/{token['id']}"),
        "removed": (ALICE.name, "DELETE", f"/projects/{team}/members/{guest}"),
        "deleted": (ALICE.name, "DELETE", f"/projects/{team}"),
    }
    path, alice = stream_of(world.server, team), world.tokens[ALICE.name]
    with watch(world.server, path, token["token"]) as goes, watch(world.server, path, alice) as stays:
        assert goes.next("snapshot").data["sessions"] == stays.next("snapshot").data["sessions"] == []
        world.did(ALICE.name, "PATCH", f"/projects/{team}/members/{guest}", {"role": "viewer"})
        first = world.session(ALICE.name, team)
        assert goes.next("session").data["session"]["session_id"] == first
        world.did(*takes[how])
        if how != "deleted":
            world.session(ALICE.name, team)
            assert len([stays.next("session") for _ in range(2)]) == 2
        assert goes.to_the_end() == []
    again = world.server.call("HEAD", path, token=token["token"]).status
    assert again == {"revoked": 401, "removed": 403, "deleted": 403}[how]


def test_a_token_that_expires_ends_its_stream(tmp_path: Path) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        ends_at = place.rooms.clock.now() + 60_000
        wanted = {"name": "short", "expires_at": rfc3339(ends_at)}
        made = await place.did("POST", "/tokens", place.alice, wanted)
        principal = place.rooms.identity.authenticate(f"Bearer {made['token']}".encode(), ends_at - 1)
        caller = may_watch(place.rooms.projects, principal)
        assert [caller(team, at) for at in (ends_at - 1, ends_at)] == [True, False]

    inside(tmp_path, story)


def test_a_body_that_takes_its_time_does_not_outlive_its_token(world: World) -> None:
    made = world.token(ALICE.name)
    body = b'{"machine_id": "laptop"}'
    with closing(HTTPConnection("127.0.0.1", world.server.port, timeout=30)) as connection:
        connection.putrequest("POST", f"/api/projects/{world.team}/agent-sessions")
        for name, value in (
            ("Authorization", f"Bearer {made['token']}"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ):
            connection.putheader(name, value)
        connection.endheaders(body[:5])
        # Until the server has begun with it: it notes that the token was used.
        for _ in range(1000):
            if any(
                t["id"] == made["id"] and t["last_used_at"] for t in world.did(ALICE.name, "GET", "/tokens")["tokens"]
            ):
                break
        world.did(ALICE.name, "DELETE", f"/tokens/{made['id']}")
        connection.send(body[5:])
        assert connection.getresponse().status == 401


@pytest.mark.parametrize("first", ["register", "remove"])
def test_nothing_slips_in_beside_a_removal(tmp_path: Path, first: str) -> None:
    async def story(place: House) -> None:
        team = (await place.did("POST", "/projects", place.alice, {"name": "team"}))["id"]
        bob = await place.join("Bob", team, "member")
        sessions = f"/projects/{team}/agent-sessions"
        registers = [place.ask("POST", sessions, bob, {"machine_id": "m", "client_ref": str(i)}) for i in range(20)]
        removes = place.ask("DELETE", f"/projects/{team}/members/{place.users['Bob']}", place.alice)
        order = [removes, *registers] if first == "remove" else [*registers[:10], removes, *registers[10:]]
        said = [answer.status for answer in await asyncio.gather(*order)]
        assert set(said) <= {201, 204, 403}
        rows = (await place.did("GET", f"{sessions}?active=false", place.alice))["sessions"]
        assert len(rows) == said.count(201)
        assert {row["end_reason"] for row in rows} <= {"revoked"}

    inside(tmp_path, story)
