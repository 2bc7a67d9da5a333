"""REST for the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from onduty.api import Route
from onduty.audit.model import Act, Filter
from onduty.audit.reading import Audit
from onduty.identity.asking import Caller
from onduty.paging import Asked, listed
from onduty.shapes import Answer, Time, Uuid, refusals

router = APIRouter(route_class=Route, tags=["audit"])


def _audit(request: Request) -> Audit:
    room: Audit = request.app.state.audit
    return room


Room = Annotated[Audit, Depends(_audit)]


class AuditEntryAnswer(Answer):
    """Who did what, when, from where. `about_…` is what or whom it was done to; what does not apply is null."""

    id: Uuid
    at: Time
    act: Act
    user_id: Uuid | None
    name: str | None
    token_id: Uuid | None
    address: str | None
    about_id: Uuid | None
    about_user_id: Uuid | None
    about_user_name: str | None
    about_name: str | None
    about_role: str | None


class AuditAnswer(Answer):
    entries: list[AuditEntryAnswer]
    next_cursor: str | None = None


class AuditAsked(Asked):
    """The query of the log."""

    act: Act | None = Field(None, description="Entries of this kind only")
    person: Uuid | None = Field(None, description="Only what this user did, or what was done to them")


@router.get(
    "/projects/{id}/audit",
    operation_id="listAudit",
    summary="What was done to the project's people and tokens, newest first; for owners",
    response_model=AuditAnswer,
    responses=refusals(400, 401, 403, 429),
)
async def list_audit(caller: Caller, room: Room, id: Uuid, asked: Annotated[AuditAsked, Query()]) -> Any:
    entries, next_cursor = await room.page(caller, id, asked, Filter(asked.act, asked.person))
    return listed("entries", [room.row(entry) for entry in entries], next_cursor)
