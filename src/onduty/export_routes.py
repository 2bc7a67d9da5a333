"""Everything of a project for one of its owners: over REST, and from the page of its settings."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from onduty.api import Route
from onduty.audit.routes import AuditEntryAnswer
from onduty.clock import Instant
from onduty.export import Export
from onduty.identity.asking import Caller, Now, SignedIn, own_origin
from onduty.identity.service import Principal
from onduty.projects.asking import settings_of
from onduty.projects.invitation_routes import InvitationAnswer
from onduty.projects.people_routes import MemberAnswer
from onduty.projects.routes import ProjectAnswer
from onduty.rooms import Rooms
from onduty.sessions.fold import Kind
from onduty.sessions.shown import AgentSessionAnswer
from onduty.shapes import Answer, Time, Uuid, refusals
from onduty.web.layout import HEADERS, PageRoute, page

router = APIRouter(route_class=Route, tags=["projects"])
pages = APIRouter(route_class=PageRoute, include_in_schema=False)

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9]+")


class EventAnswer(Answer):
    id: str
    kind: Kind
    at: Time
    stamp: int
    tool: str | None
    tool_id: str | None
    subagent: str | None
    reason: str | None


class ExportedSession(AgentSessionAnswer):
    """A session as everywhere, with its clients' own ids for it, and its events, the newest first."""

    aliases: list[str]
    events: list[EventAnswer]


class ExportAnswer(Answer):
    onduty: str
    exported_at: Time
    project: ProjectAnswer
    members: list[MemberAnswer]
    invitations: list[InvitationAnswer]
    audit: list[AuditEntryAnswer]
    sessions: list[ExportedSession]


@router.get(
    "/projects/{id}/export",
    operation_id="exportProject",
    summary="Everything of a project as one document; for owners",
    response_model=ExportAnswer,
    responses=refusals(400, 401, 403, 429),
)
async def export_project(request: Request, now: Now, caller: Caller, id: Uuid) -> Any:
    return _streamed(request, caller, id, now)


def _streamed(request: Request, caller: Principal, project_id: str, now: Instant) -> StreamingResponse:
    rooms: Rooms = request.app.state.rooms
    # Before the first byte, so that who may not is told so.
    rooms.projects.owned(caller, project_id)
    name = _UNSAFE.sub("-", rooms.projects.project(caller, project_id).name).strip("-") or "project"
    day = datetime.fromtimestamp(now / 1000, UTC).date()
    headers = {"Content-Disposition": f'attachment; filename="onduty-{name}-{day}.json"', "Cache-Control": "no-store"}
    document = _nothing() if request.scope.get("onduty.is_head") else Export(rooms, caller, project_id).document(now)
    return StreamingResponse(document, media_type="application/json", headers=headers)


async def _nothing() -> AsyncIterator[bytes]:
    """What a HEAD gets of the document, without that anything is read for it."""
    yield b""


@pages.get("/projects/{project}/settings/export")
async def show(request: Request, visitor: SignedIn, project: Uuid) -> Response:
    rooms: Rooms = request.app.state.rooms
    rooms.projects.owned(visitor, project)
    return page(
        request, "export.html", **settings_of(request, visitor, project), place="export", origin=own_origin(request)
    )


@pages.get("/projects/{project}/settings/export/file")
async def download(request: Request, now: Now, visitor: SignedIn, project: Uuid) -> Response:
    answer = _streamed(request, visitor, project, now)
    answer.headers.update(HEADERS)
    return answer
