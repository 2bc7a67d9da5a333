"""REST for the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from onduty.api import Route
from onduty.audit.model import Act, Entry
from onduty.audit.reading import Audit
from onduty.clock import rfc3339
from onduty.identity.asking import Caller
from onduty.paging import Paged, listed
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


def _row(entry: Entry, room: Audit) -> dict[str, Any]:
    about = entry.about
    return {
        "id": entry.id,
        "at": rfc3339(entry.at),
        "act": entry.act,
        "user_id": entry.user_id,
        "name": room.name_of(entry.user_id),
        "token_id": entry.token_id,
        "address": entry.address,
        "about_id": about.id,
        "about_user_id": about.user_id,
        "about_user_name": room.name_of(about.user_id),
        "about_name": about.name,
        "about_role": about.role,
    }


@router.get(
    "/projects/{id}/audit",
    operation_id="listAudit",
    summary="What was done to the project's people and tokens, newest first; for owners",
    response_model=AuditAnswer,
    responses=refusals(400, 401, 403, 429),
)
async def list_audit(caller: Caller, room: Room, id: Uuid, asked: Paged) -> Any:
    entries, next_cursor = await room.page(caller, id, asked)
    return listed("entries", [_row(entry, room) for entry in entries], next_cursor)
