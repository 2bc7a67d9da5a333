"""REST for projects."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from onduty.api import Route
from onduty.cleaning import NAME
from onduty.clock import rfc3339
from onduty.identity.asking import Caller
from onduty.paging import Paged, listed, page
from onduty.projects.deleting import Owning
from onduty.projects.model import LEAST_DAYS, MOST_DAYS, RETENTION_DAYS, Change, Project
from onduty.projects.service import Projects
from onduty.shapes import Answer, Body, Uuid, Words, example, refusals

router = APIRouter(route_class=Route, tags=["projects"])


def _projects(request: Request) -> Projects:
    rooms: Projects = request.app.state.projects
    return rooms


Room = Annotated[Projects, Depends(_projects)]


def _owning(request: Request) -> Owning:
    room: Owning = request.app.state.owning
    return room


OwningRoom = Annotated[Owning, Depends(_owning)]


class ProjectAnswer(Answer):
    id: Uuid
    name: str
    role: str
    created_at: str
    retention_days: int = Field(description="For how long sessions of which nothing more is heard are kept")


class ProjectsAnswer(Answer):
    projects: list[ProjectAnswer]
    next_cursor: str | None = None


class NewProject(Body):
    model_config = example(name="app")

    name: Annotated[str, Words(NAME, required=True)]


def _unnamed() -> int:
    return RETENTION_DAYS


class ProjectChange(Body):
    # Only what is named changes; the defaults are never read.
    name: Annotated[str, Words(NAME, required=True)] = Field(default_factory=str)
    retention_days: int = Field(default_factory=_unnamed, ge=LEAST_DAYS, le=MOST_DAYS)


def project_row(project: Project, role: str) -> dict[str, Any]:
    """A project as it is answered to somebody in that role."""
    return {
        "id": project.id,
        "name": project.name,
        "role": role,
        "created_at": rfc3339(project.created_at),
        "retention_days": project.retention_days,
    }


@router.get(
    "/projects",
    operation_id="listProjects",
    summary="The projects that you see",
    response_model=ProjectsAnswer,
    responses=refusals(400, 401, 429),
)
async def list_projects(caller: Caller, room: Room, asked: Paged) -> Any:
    projects, next_cursor = page(room.visible(caller), lambda project: project.id, asked)
    return listed(
        "projects", [project_row(project, room.role(caller, project.id)) for project in projects], next_cursor
    )


@router.post(
    "/projects",
    status_code=201,
    operation_id="createProject",
    summary="Make a project that you own",
    response_model=ProjectAnswer,
    responses=refusals(400, 401, 403, 413, 415, 429, 503),
)
async def create_project(caller: Caller, room: Room, body: NewProject) -> Any:
    return project_row(await room.create(caller, body.name), "owner")


@router.get(
    "/projects/{id}",
    operation_id="getProject",
    summary="One project",
    response_model=ProjectAnswer,
    responses=refusals(400, 401, 403, 429),
)
async def get_project(caller: Caller, room: Room, id: Uuid) -> Any:
    return project_row(room.project(caller, id), room.role(caller, id))


@router.patch(
    "/projects/{id}",
    operation_id="changeProject",
    summary="Give a project another name, or keep its sessions for longer or shorter; for owners",
    response_model=ProjectAnswer,
    responses=refusals(400, 401, 403, 413, 415, 429, 503),
)
async def change_project(caller: Caller, room: Room, owning: OwningRoom, id: Uuid, body: ProjectChange) -> Any:
    if wanted := {name: getattr(body, name) for name in body.model_fields_set}:
        await owning.change(caller, id, Change(**wanted))
    return project_row(room.project(caller, id), room.role(caller, id))


@router.delete(
    "/projects/{id}",
    status_code=204,
    operation_id="deleteProject",
    summary="Delete a project with everything; for owners",
    responses=refusals(400, 401, 403, 429, 503),
)
async def delete_project(caller: Caller, owning: OwningRoom, id: Uuid) -> Response:
    await owning.delete(caller, id)
    return Response(status_code=204)
