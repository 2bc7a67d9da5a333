"""The page of all projects, with how it stands in each; and the form that makes one."""

from datetime import UTC
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from onduty.clock import Instant, rfc3339
from onduty.errors import Problem
from onduty.identity.asking import Now, SignedIn
from onduty.identity.service import Identity
from onduty.projects.service import Projects
from onduty.sessions.overview import STRIP, Standing, in_order, standing
from onduty.sessions.reading import Reading
from onduty.web.forms import form
from onduty.web.layout import PageRoute, go_to, page, zone_of
from onduty.wording import ago_of, time_of_day

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_FILTER: Final = 200


@router.get("/projects")
async def show(
    request: Request, now: Now, visitor: SignedIn, q: Annotated[str, Query(max_length=_FILTER)] = ""
) -> Response:
    """All of the visitor's projects; `q` leaves those whose name, people or machines have these words."""
    projects: Projects = request.app.state.projects
    reading: Reading = request.app.state.reading
    identity: Identity = request.app.state.identity
    everywhere = in_order(
        standing(each, projects.role(visitor, each.id), reading.registry, now, visitor.user_id, identity.name_of)
        for each in projects.visible(visitor)
    )
    shown = [each for each in everywhere if each.matches(q)]
    zone = zone_of(request)
    return page(
        request,
        "projects.html",
        me=visitor.name,
        rows=[_row(each, now, zone or UTC, identity) for each in shown],
        everywhere=everywhere,
        hidden=len(everywhere) - len(shown),
        q=q,
        clock=time_of_day(now, zone or UTC),
        utc=zone is None,
    )


def _row(each: Standing, now: Instant, zone: Any, identity: Identity) -> dict[str, Any]:
    last = each.last
    at = None if last is None else rfc3339(min(last.registers.life, now))
    return {
        "standing": each,
        "strip": each.states[:STRIP],
        "more": max(0, len(each.states) - STRIP),
        "last_at": at,
        "last": "" if at is None else ago_of(at, now, zone),
        "whose": ""
        if last is None
        else " · ".join(word for word in (identity.name_of(last.user_id), last.caller_role) if word),
    }


@router.get("/projects/new")
async def show_new(request: Request, visitor: SignedIn) -> Response:
    return page(request, "project_new.html", me=visitor.name, name="", wrong=None)


@router.post("/projects/new")
async def make(request: Request, visitor: SignedIn) -> Response:
    projects: Projects = request.app.state.projects
    name = (await form(request)).get("name", "")
    try:
        project = await projects.create(visitor, name)
    except Problem as problem:
        if not problem.fields:
            raise
        wrong = "Write a name of at most 120 characters."
        return page(request, "project_new.html", status=problem.status, me=visitor.name, name=name, wrong=wrong)
    return go_to(f"/projects/{project.id}/connect")
