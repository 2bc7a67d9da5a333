"""The page of a project's own settings: its name, for how long it keeps sessions, and taking it away."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from onduty.errors import Invalid
from onduty.identity.asking import Now, SignedIn
from onduty.identity.service import Principal
from onduty.projects.asking import settings_of
from onduty.projects.deleting import Owning
from onduty.projects.model import LEAST_DAYS, MOST_DAYS, Change, Project
from onduty.projects.service import Projects
from onduty.sessions.reading import Reading
from onduty.shapes import Uuid
from onduty.web.forms import form, typed, wrong
from onduty.web.layout import PageRoute, go_to, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_WORDS: Final = {
    "name": "Give it a name of at most 120 characters.",
    "retention_days": f"Give a whole number of days, from {LEAST_DAYS} to {MOST_DAYS}.",
    "typed_name": "That is not its name. Type it exactly as it stands above.",
}


def _owning(request: Request) -> Owning:
    room: Owning = request.app.state.owning
    return room


Room = Annotated[Owning, Depends(_owning)]


def _page(
    request: Request,
    visitor: Principal,
    project_id: str,
    fields: Mapping[str, str] | None = None,
    problem: Invalid | None = None,
) -> Response:
    frame = settings_of(request, visitor, project_id)
    project: Project = frame["project"]
    return page(
        request,
        "project_settings.html",
        status=problem.status if problem else 200,
        **frame,
        place="",
        typed=typed({"name": project.name, "retention_days": str(project.retention_days), **(fields or {})}),
        wrong=wrong(problem, _WORDS),
        most_days=MOST_DAYS,
        least_days=LEAST_DAYS,
        is_saved="saved" in request.query_params,
    )


def _path(project_id: str, then: str = "") -> str:
    return f"/projects/{project_id}/settings{then}"


@router.get("/projects/{project}/settings")
async def show(request: Request, visitor: SignedIn, project: Uuid) -> Response:
    return _page(request, visitor, project)


@router.post("/projects/{project}/settings/name")
async def rename(request: Request, visitor: SignedIn, room: Room, project: Uuid) -> Response:
    fields = await form(request)
    try:
        await room.change(visitor, project, Change(name=fields.get("name", "")))
    except Invalid as problem:
        return _page(request, visitor, project, fields, problem)
    return go_to(_path(project, "?saved"))


@router.post("/projects/{project}/settings/retention")
async def retain(request: Request, now: Now, visitor: SignedIn, room: Room, project: Uuid) -> Response:
    """Keep sessions for so many days; for fewer than before only once what will go is seen and meant."""
    fields = await form(request)
    projects: Projects = request.app.state.projects
    reading: Reading = request.app.state.reading
    try:
        days = _days(fields.get("retention_days", ""))
        if days < projects.project(visitor, project).retention_days and fields.get("sure") != "yes":
            going = await reading.past_time(visitor, project, days, now)
            return _sure_to_shorten(request, visitor, project, days, going)
        await room.change(visitor, project, Change(retention_days=days))
    except Invalid as problem:
        return _page(request, visitor, project, fields, problem)
    return go_to(_path(project, "?saved"))


def _days(words: str) -> int:
    words = words.strip()
    if not (words.isascii() and words.isdigit() and LEAST_DAYS <= int(words[:9]) <= MOST_DAYS):
        raise Invalid.at("retention_days", f"must be from {LEAST_DAYS} to {MOST_DAYS}")
    return int(words)


def _sure_to_shorten(request: Request, visitor: Principal, project_id: str, days: int, going: int) -> Response:
    frame = settings_of(request, visitor, project_id)
    span = f"{days} day{'s' if days != 1 else ''}"
    sessions = f"{going} agent session{'s' if going != 1 else ''}"
    goes, them = ("go", "their") if going != 1 else ("goes", "its")
    return page(
        request,
        "sure.html",
        **frame,
        place="",
        question=f"Keep sessions for {span}, instead of {frame['project'].retention_days}?",
        follows=[
            f"{sessions} of which nothing was heard for more than {span} {goes} within an hour, with {them} events."
            if going
            else f"No session is that old now. From now on each goes {span} after the last that was heard of it.",
            "What is gone cannot be brought back.",
        ],
        action=_path(project_id, "/retention"),
        keeps={"retention_days": str(days)},
        does=f"Keep for {span}",
        back=_path(project_id),
    )


@router.post("/projects/{project}/settings/delete")
async def delete(request: Request, visitor: SignedIn, room: Room, project: Uuid) -> Response:
    """Take the project away with everything, where its very name was typed."""
    fields = await form(request)
    projects: Projects = request.app.state.projects
    projects.managed(visitor, project)
    if fields.get("typed_name", "").strip() != projects.project(visitor, project).name:
        return _page(request, visitor, project, fields, Invalid.at("typed_name", "must be the project's name"))
    await room.delete(visitor, project)
    return go_to("/projects")
