"""Who is on duty, and all of the settings, by everybody: what the API would refuse, no page shows or does."""

from __future__ import annotations

from typing import Final

import pytest

from tests.access.browsing import Browsing
from tests.access.world import NOBODY, World
from tests.people import ALICE, BOB, CHARLIE, VERA

_COLUMNS: Final = (NOBODY, CHARLIE.name, VERA.name, BOB.name, ALICE.name)

# `{own}` is a token of whoever tries; person, invitation and token are new for each try.
_PAGES: Final = """
    page                                                        nobody Charlie Vera Bob Alice
    GET  /projects/{team}                                       303    403     200  200 200
    GET  /on-duty/{team}                                        303    403     200  200 200
    GET  /settings/tokens                                       303    200     200  200 200
    POST /settings/tokens                                       303    200     200  200 200
    GET  /settings/tokens/{own}/revoke                          303    200     200  200 200
    POST /settings/tokens/{own}/revoke                          303    303     303  303 303
    GET  /settings/tokens/{bobs}/revoke                         303    404     404  200 404
    POST /settings/tokens/{bobs}/revoke                         303    404     404  303 404
    GET  /projects/{team}/settings                              303    403     200  200 200
    POST /projects/{team}/settings/name                         303    403     403  403 303
    POST /projects/{team}/settings/retention                    303    403     403  403 303
    POST /projects/{team}/settings/delete                       303    403     403  403 400
    GET  /projects/{team}/settings/members                      303    403     200  200 200
    POST /projects/{team}/settings/members/{extra}              303    403     403  403 303
    GET  /projects/{team}/settings/members/{extra}/remove       303    403     403  403 200
    POST /projects/{team}/settings/members/{extra}/remove       303    403     403  403 303
    GET  /projects/{team}/settings/invitations                  303    403     403  403 200
    POST /projects/{team}/settings/invitations                  303    403     403  403 200
    POST /projects/{team}/settings/invitations/{open}/withdraw  303    403     403  403 303
    GET  /projects/{team}/settings/audit                        303    403     403  403 200
    GET  /projects/{team}/settings/export                       303    403     403  403 200
    GET  /projects/{team}/settings/export/file                  303    403     403  403 200
"""
_FIELDS: Final = {
    "/settings/tokens": {"name": "made on a page"},
    "/name": {"name": "team"},
    "/retention": {"retention_days": "30"},
    "/delete": {"typed_name": "not its name"},
    "/{extra}": {"role": "member"},
    "/invitations": {"role": "viewer"},
}
_ROWS: Final = [line.split() for line in _PAGES.strip().splitlines()[1:]]


@pytest.fixture(scope="module")
def browsing(world: World) -> Browsing:
    return Browsing(world)


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_a_page(browsing: Browsing, row: list[str]) -> None:
    method, path, *expected = row
    got = [_status(browsing, who, method, path) for who in _COLUMNS]
    assert got == expected


def _status(browsing: Browsing, who: str, method: str, path: str) -> str:
    world = browsing.world
    parts = {"team": world.team}
    if "{own}" in path:
        parts["own"] = world.token(ALICE.name if who == NOBODY else who)["id"]
    if "{bobs}" in path:
        parts["bobs"] = world.token(BOB.name)["id"]
    if "{extra}" in path:
        parts["extra"] = world.join("Extra", world.team, "viewer")
    if "{open}" in path:
        invitations = f"/projects/{world.team}/invitations"
        parts["open"] = world.did(ALICE.name, "POST", invitations, {"role": "viewer"})["id"]
    fields = next((each for end, each in _FIELDS.items() if path.endswith(end)), {})
    to = path.format_map(parts)
    answer = browsing.get(who, to) if method == "GET" else browsing.post(who, to, **fields)
    if who == NOBODY:
        assert answer.headers["location"].partition("?")[0] == "/sign-in"
    return str(answer.status)


def test_a_page_offers_nobody_what_it_would_refuse(browsing: Browsing) -> None:
    settings = f"/projects/{browsing.world.team}/settings"
    for who in (VERA.name, BOB.name):
        for path in (settings, f"{settings}/members"):
            body = browsing.get(who, path).body.decode()
            assert f'action="{settings}' not in body
            for place in ("invitations", "audit", "export"):
                assert f"{settings}/{place}" not in body
            mine = f"{settings}/members/{browsing.world.users[who]}/remove"
            assert path == settings or [mine] == [each for each in body.split('"') if each.endswith("/remove")]


def test_a_form_of_another_origin_does_nothing(browsing: Browsing) -> None:
    world = browsing.world
    browsing.get(ALICE.name, "/projects")
    headers = {
        "Cookie": browsing.cookies[ALICE.name],
        "Origin": "http://evil.example",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    for path in (f"/projects/{world.team}/settings/delete", "/settings/tokens"):
        answer = world.server.call("POST", path, token=None, body=b"typed_name=team&name=x", headers=headers)
        assert answer.status == 403
    assert world.did(ALICE.name, "GET", f"/projects/{world.team}")["name"] == "team"
