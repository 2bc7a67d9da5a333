"""What is foreign and what does not exist are told apart by nothing: not by status, not by a byte, not by the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.access.house import House, inside
from tests.access.table import ROUTES, rows
from tests.access.world import UNKNOWN
from tests.inside import Told

_BODIES: dict[str, Any] = {
    "PATCH": {"name": "x", "role": "viewer", "said": "x"},
    "POST": {"machine_id": "laptop", "role": "viewer"},
}
_PLACES = sorted({row.what for row in rows(ROUTES) if "{" in row.what})


@pytest.mark.parametrize("what", _PLACES)
def test_foreign_and_unknown_are_the_same(tmp_path: Path, what: str) -> None:
    """Bob of one project asks for things of Alice's other one, and for what nobody has."""

    async def story(place: House) -> None:
        hers = (await place.did("POST", "/projects", place.alice, {"name": "hers"}))["id"]
        ours = (await place.did("POST", "/projects", place.alice, {"name": "ours"}))["id"]
        bob = await place.join("Bob", ours, "member")
        session = (await place.did("POST", f"/projects/{hers}/agent-sessions", place.alice, {"machine_id": "m"}))[
            "session_id"
        ]
        token = (await place.did("POST", "/tokens", place.alice, {"name": "another"}))["id"]
        invitation = (await place.did("POST", f"/projects/{hers}/invitations", place.alice, {}))["id"]
        foreign = {
            "id": hers,
            "session_id": session,
            "token_id": token,
            "user_id": place.users["Alice"],
            "invitation_id": invitation,
        }
        outcomes = [await _outcome(place, bob, what, parts) for parts in (foreign, dict.fromkeys(foreign, UNKNOWN))]
        assert outcomes[0][:3] == outcomes[1][:3]
        assert outcomes[0][0] in (403, 404)
        if "{id}" in what:
            assert outcomes[0][3] == outcomes[1][3] == 0, "the project alone decides, from memory"

    inside(tmp_path, story)


async def _outcome(place: House, who: str, what: str, parts: dict[str, str]) -> tuple[int, bytes, Any, int]:
    """Status, body, headers and the number of statements: the smallest of some, for loops write meanwhile."""
    method, _, path = what.partition(" ")
    said, counts = Told(0, (), b""), []
    for _ in range(5):
        before = place.rooms.database.statements
        said = await place.ask(method, path.format_map(parts), who, _BODIES.get(method))
        counts.append(place.rooms.database.statements - before)
    headers = {name: value for name, value in said.headers if name != b"x-request-id"}
    return said.status, said.body, headers, min(counts)


@pytest.mark.parametrize("what", ["PATCH /members/{}", "DELETE /members/{}", "DELETE /invitations/{}"])
def test_of_one_s_own_project_what_is_elsewhere_does_not_exist(tmp_path: Path, what: str) -> None:
    async def story(place: House) -> None:
        one = (await place.did("POST", "/projects", place.alice, {"name": "one"}))["id"]
        two = (await place.did("POST", "/projects", place.alice, {"name": "two"}))["id"]
        await place.join("Bob", two, "member")
        invitation = (await place.did("POST", f"/projects/{two}/invitations", place.alice, {}))["id"]
        foreign = invitation if "invitations" in what else place.users["Bob"]
        method, _, path = what.partition(" ")
        said = [
            await place.ask(method, f"/projects/{one}{path.format(i)}", place.alice, _BODIES.get(method))
            for i in (foreign, UNKNOWN)
        ]
        assert said[0].status == 404
        assert said[0].body == said[1].body

    inside(tmp_path, story)
