"""The page that people leave open: who is on duty in a project, and the part of it that is fetched again."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from onduty.clock import Instant, parse_rfc3339, rfc3339
from onduty.identity.asking import Now, SignedIn, own_origin
from onduty.identity.service import Identity, Principal
from onduty.projects.service import Project, Projects
from onduty.sessions.listing import query_of
from onduty.sessions.model import ON_DUTY
from onduty.sessions.reading import Reading
from onduty.sessions.roster import DAY_MS, DENSITIES, GROUPS, Eye, Group, key_of, look_of, roster
from onduty.sessions.streams import Streams
from onduty.shapes import Uuid
from onduty.web.layout import PageRoute, page, zone_of
from onduty.wording import ago_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_ON_DUTY: Final = ",".join(sorted(ON_DUTY))
_LOST_SHOWN: Final = 200
_ROWS_COOKIE: Final = "onduty-rows"
_YEAR_SECONDS: Final = 365 * 24 * 3600


@router.get("/projects/{project}")
async def show(request: Request, now: Now, visitor: SignedIn, project: Uuid) -> Response:
    projects: Projects = request.app.state.projects
    words = await roster_words(request, visitor, projects.project(visitor, project), now, visitor.user_id)
    answer = await drawn(request, "on_duty.html", me=visitor.name, tab="on-duty", **words)
    if (chosen := request.query_params.get("rows")) in DENSITIES:
        answer.set_cookie(_ROWS_COOKIE, str(chosen), max_age=_YEAR_SECONDS, samesite="lax")
    return answer


@router.get("/on-duty/{project}")
async def show_part(request: Request, now: Now, visitor: SignedIn, project: Uuid) -> Response:
    projects: Projects = request.app.state.projects
    words = await roster_words(request, visitor, projects.project(visitor, project), now, visitor.user_id)
    return await drawn(request, "roster.html", **words)


async def drawn(request: Request, name: str, /, **words: Any) -> Response:
    """A page, drawn beside the loop: hundreds of rows would hold it up for a twentieth of a second."""
    return await asyncio.to_thread(partial(page, request, name, **words))


async def roster_words(
    request: Request, visitor: Principal, project: Project, now: Instant, user_id: str
) -> dict[str, Any]:
    """What the page says of a project to the visitor, whose own waits are those of `user_id`."""
    streams: Streams = request.app.state.streams
    reading: Reading = request.app.state.reading
    identity: Identity = request.app.state.identity
    # Before anything is read: what changes after this is told by the stream.
    position = streams.position(project.id, now)
    eye = Eye(user_id, now, zone_of(request), identity.name_of)
    rows = await _all_on_duty(reading, visitor, project.id, now)
    lost, more = await _page(reading, visitor, project.id, "lost", _LOST_SHOWN, now)
    lost = [row for row in lost if now - parse_rfc3339(row["last_activity_at"]) < DAY_MS]
    look = look_of(request.query_params, request.cookies.get(_ROWS_COOKIE, ""))
    return {
        "project": project,
        "me_id": user_id,
        "roster": roster(rows, lost, eye, look),
        "lost_more": more and len(lost) == _LOST_SHOWN,
        "latest": None if rows else await _latest(reading, visitor, project.id, eye, now),
        "origin": own_origin(request),
        "now": rfc3339(now),
        "position": position,
        "groups": GROUPS,
        "densities": DENSITIES,
        "blank": Group("", "", (), 0, 0, Counter()),
        "key_of": key_of,
        "wall": False,
    }


async def _latest(reading: Reading, visitor: Principal, project_id: str, eye: Eye, now: Instant) -> str | None:
    """When the last sign of life came, None where there never was one."""
    rows, _ = await _page(reading, visitor, project_id, "lost,ended", 1, now)
    return next((ago_of(row["last_activity_at"], now, eye.zone) for row in rows), None)


async def _all_on_duty(reading: Reading, visitor: Principal, project_id: str, now: Instant) -> list[dict[str, Any]]:
    """Exactly the sessions that the API lists as on duty, over all its pages."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        listing = await reading.list(visitor, query_of(project_id, False, _ON_DUTY, None, cursor), now)
        rows += msgspec.json.decode(listing.body)["sessions"]
        if (cursor := listing.next_cursor) is None:
            return rows


async def _page(
    reading: Reading, visitor: Principal, project_id: str, states: str, limit: int, now: Instant
) -> tuple[list[dict[str, Any]], bool]:
    """The rows of one page, and whether there are more."""
    listing = await reading.list(visitor, query_of(project_id, False, states, limit, None), now)
    return msgspec.json.decode(listing.body)["sessions"], listing.next_cursor is not None
