"""The page that people leave open: who is on duty in a project, and the part of it that is fetched again."""

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from onduty.clock import Instant, parse_rfc3339
from onduty.identity.asking import Now, SignedIn, own_origin
from onduty.identity.service import Identity, Principal
from onduty.projects.service import Project, Projects
from onduty.sessions.listing import query_of
from onduty.sessions.model import ON_DUTY
from onduty.sessions.reading import Reading
from onduty.sessions.roster import DAY_MS, Eye, roster
from onduty.shapes import Uuid
from onduty.web.layout import PageRoute, page, zone_of
from onduty.wording import ago_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_ON_DUTY: Final = ",".join(sorted(ON_DUTY))
_LOST_SHOWN: Final = 200


@router.get("/projects/{project}")
async def show(request: Request, now: Now, visitor: SignedIn, project: Uuid) -> Response:
    projects: Projects = request.app.state.projects
    words = await _words(request, visitor, projects.project(visitor, project), now)
    return page(request, "on_duty.html", me=visitor.name, tab="on-duty", **words)


@router.get("/on-duty/{project}")
async def show_part(request: Request, now: Now, visitor: SignedIn, project: Uuid) -> Response:
    projects: Projects = request.app.state.projects
    words = await _words(request, visitor, projects.project(visitor, project), now)
    return page(request, "roster.html", **words)


async def _words(request: Request, visitor: Principal, project: Project, now: Instant) -> dict[str, Any]:
    reading: Reading = request.app.state.reading
    identity: Identity = request.app.state.identity
    eye = Eye(visitor.user_id, now, zone_of(request), identity.name_of)
    rows = await _all_on_duty(reading, visitor, project.id, now)
    lost = await _page(reading, visitor, project.id, "lost", _LOST_SHOWN, now)
    shown = roster(rows, [row for row in lost if now - parse_rfc3339(row["last_activity_at"]) < DAY_MS], eye)
    latest = None
    if not shown.on_duty:
        ended = await _page(reading, visitor, project.id, "lost,ended", 1, now)
        latest = next((ago_of(row["last_activity_at"], now, eye.zone) for row in ended), None)
    return {"project": project, "roster": shown, "latest": latest, "origin": own_origin(request)}


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
) -> list[dict[str, Any]]:
    listing = await reading.list(visitor, query_of(project_id, False, states, limit, None), now)
    rows: list[dict[str, Any]] = msgspec.json.decode(listing.body)["sessions"]
    return rows
