"""How it stands in each project is told from memory alone, however many projects there are."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.inside import Inside, Request, Still, furnish, opened
from tests.people import ALICE

_FORM = (b"content-type", b"application/x-www-form-urlencoded")


async def _cookie(place: Inside) -> bytes:
    link = (await place.call(ALICE.name, "POST", "/api/sign-in-links")).json["url"]
    body = b"secret=" + link.partition("#")[2].encode()
    length = (b"content-length", b"%d" % len(body))
    told = await place.ask(Request("POST", "/sign-in", headers=(_FORM, length), body=body))
    return dict(told.headers)[b"set-cookie"].partition(b";")[0]


def test_a_hundred_projects_cost_no_statement_more_than_one(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Still()
        path = tmp_path / "data.sqlite3"
        tokens, project = await furnish(path, clock)
        async with opened(path, clock, tokens, project) as place:
            look = Request("GET", "/projects", headers=((b"cookie", await _cookie(place)),))
            # The first also notes that the browser was seen.
            await place.ask(look)
            before = place.rooms.database.statements
            assert (await place.ask(look)).status == 200
            signed_in = place.rooms.database.statements - before
            for number in range(100):
                made = await place.call(ALICE.name, "POST", "/api/projects", {"name": f"project {number}"})
                to = f"/api/projects/{made.json['id']}/agent-sessions"
                await place.call(ALICE.name, "POST", to, {"machine_id": "laptop"})
            before = place.rooms.database.statements
            told = await place.ask(look)
            assert place.rooms.database.statements - before == signed_in
            assert told.body.count(b'<tr class="project"') == 102
            assert b"100 on duty in 100 projects" in told.body

    asyncio.run(story())
