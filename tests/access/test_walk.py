"""Every route of the application's document and every tool that it lists, by everybody, with own and foreign ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.access.table import ROUTES, TOOLS, Row, rows
from tests.access.world import BAD, READER, World, answer_of
from tests.asking import Answer
from tests.people import ALICE, BOB, CHARLIE

_OWNER = {"team": ALICE.name, "bobs": BOB.name, "elsewhere": CHARLIE.name}
_BODIES: dict[str, Any] = {
    "POST /tokens": {"name": "another"},
    "POST /pairings/redeem": {"code": "0000-0000", "machine_id": "laptop"},
    "POST /projects": {"name": "another"},
    "PATCH /projects/{id}": {"name": "renamed"},
    "PATCH /projects/{id}/members/{user_id}": {"role": "viewer"},
    "POST /projects/{id}/invitations": {"role": "viewer"},
    "POST /projects/{id}/agent-sessions": {"machine_id": "laptop"},
    "PATCH /agent-sessions/{session_id}": {"said": "hello"},
    "POST /agent-events": {"sent_at": "2026-11-24T08:00:00Z", "events": []},
}


def whos(row: Row) -> Iterator[tuple[str, str]]:
    """Who tries, and what they are to get."""
    for column, expected in row.expected.items():
        for who in BAD if column == "bad" else [column]:
            yield who, expected


def _project(world: World, row: Row, who: str) -> str:
    """The project of the row; one of its own where the try takes it away."""
    owner = _OWNER[row.ids]
    if row.what == "DELETE /projects/{id}" and who == owner:
        return world.project(owner, "short-lived")
    return world.team if row.ids == "team" else world.elsewhere


def _parts(world: World, row: Row, who: str) -> dict[str, str]:
    """What the path of a try names."""
    parts: dict[str, str] = {}
    if "{id}" in row.what:
        parts["id"] = _project(world, row, who)
    if "{session_id}" in row.what:
        owner = _OWNER[row.ids]
        parts["session_id"] = world.session(owner, world.team if row.ids == "bobs" else world.elsewhere)
    if "{token_id}" in row.what:
        maker = BOB.name if row.ids == "bobs" else who
        may_make = world.tokens[maker] is not None and maker not in (*BAD, READER)
        parts["token_id"] = world.token(maker if may_make else ALICE.name)["id"]
    if "{user_id}" in row.what:
        parts["user_id"] = world.join("Extra", parts["id"], "viewer", by=_OWNER[row.ids])
    if "{invitation_id}" in row.what:
        path = f"/projects/{parts['id']}/invitations"
        parts["invitation_id"] = world.did(_OWNER[row.ids], "POST", path, {"role": "viewer"})["id"]
    return parts


def _try(world: World, row: Row, who: str) -> Answer:
    method, _, path = row.what.partition(" ")
    if path == "/invitations/accept":
        hall = world.project(ALICE.name, "hall")
        return world.accept(world.secret(ALICE.name, hall, "viewer"), "Somebody", world.tokens[who])
    if path == "/me/token" and who not in BAD and world.tokens[who] is not None:
        # Another token of theirs signs out: this one is still needed.
        made = world.token(ALICE.name if who == READER else who, read_only=who == READER)
        return world.server.call(method, f"/api{path}", token=made["token"])
    if path.endswith("/stream"):
        # It has no end: its headers say the same.
        method = "HEAD"
    return world.call(who, method, path.format_map(_parts(world, row, who)), _BODIES.get(row.what))


@pytest.mark.parametrize("row", rows(ROUTES), ids=lambda row: f"{row.what} {row.ids}")
def test_a_route(world: World, row: Row) -> None:
    got = {who: str(_try(world, row, who).status) for who, _ in whos(row)}
    assert got == dict(whos(row))


@pytest.mark.parametrize("row", rows(TOOLS), ids=lambda row: f"{row.what} {row.ids}")
def test_a_tool(world: World, row: Row) -> None:
    project_id = world.team if row.ids == "team" else world.elsewhere
    got = {}
    for who, _ in whos(row):
        if row.what == "use_project":
            answer = world.tool(who, row.what, {"project": project_id})
        else:
            world.tool(who, "whoami", {}, **{"Onduty-Project": project_id})
            answer = world.tool(who, row.what, {}, **{"Onduty-Project": project_id})
        got[who] = str(answer.status) if answer.status != 200 else answer_of(answer)[0]
    assert got == dict(whos(row))


def test_the_table_has_every_route_with_own_and_foreign_ids(world: World) -> None:
    document = world.server.call("GET", "/api/openapi.json", token=None).json
    routes = {
        f"{method.upper()} {path.removeprefix('/api')}"
        for path, operations in document["paths"].items()
        for method in operations
    }
    table = rows(ROUTES)
    assert {row.what for row in table} == routes
    with_ids = {row.what for row in table if "{" in row.what}
    assert {what for what in with_ids if sum(row.what == what for row in table) < 2} == set()


def test_the_table_has_every_tool(world: World) -> None:
    listed = world.rpc(ALICE.name, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).json["result"]["tools"]
    assert {row.what for row in rows(TOOLS)} == {tool["name"] for tool in listed}


def test_open_routes_are_those_that_the_document_calls_open(world: World) -> None:
    document = world.server.call("GET", "/api/openapi.json", token=None).json
    marked = {
        f"{method.upper()} {path.removeprefix('/api')}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get("security") == []
    }
    assert marked == {row.what for row in rows(ROUTES) if row.expected["nobody"] != "401"}
