"""REST for invitations: made and withdrawn by owners, accepted by whoever holds the link."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from onduty.api import Route
from onduty.cleaning import NAME, REF
from onduty.clock import Instant, rfc3339
from onduty.errors import RateLimited
from onduty.identity.asking import Caller, address_of, own_origin
from onduty.identity.service import Identity, Principal
from onduty.limits import Limits
from onduty.paging import Paged, listed, page
from onduty.projects.invitations import Invitations
from onduty.projects.model import Invitation, Role
from onduty.shapes import Answer, Body, Uuid, Words, refusals

router = APIRouter(route_class=Route, tags=["people"])

TRIES_A_MINUTE: Final = 10


def _invitations(request: Request) -> Invitations:
    room: Invitations = request.app.state.invitations
    return room


Room = Annotated[Invitations, Depends(_invitations)]


class InvitationAnswer(Answer):
    id: Uuid
    role: Role
    invited_by: Uuid
    created_at: str
    expires_at: str


class NewInvitationAnswer(InvitationAnswer):
    url: str = Field(description="For whom it is meant, once: whoever opens it first joins")


class InvitationsAnswer(Answer):
    invitations: list[InvitationAnswer]
    next_cursor: str | None = None


class NewInvitation(Body):
    role: Role = "member"


class Accepted(Body):
    secret: Annotated[str, Words(REF, required=True)]
    name: Annotated[str, Words(NAME)] | None = None


class JoinedAnswer(Answer):
    user_id: Uuid
    project_id: Uuid
    token: str | None = Field(description="A new account's first token, told once; null where the account was there")


def invitation_row(invitation: Invitation) -> dict[str, Any]:
    """An open invitation as it is answered, without its secret."""
    return {
        "id": invitation.id,
        "role": invitation.role,
        "invited_by": invitation.invited_by,
        "created_at": rfc3339(invitation.created_at),
        "expires_at": rfc3339(invitation.expires_at),
    }


@router.get(
    "/projects/{id}/invitations",
    operation_id="listInvitations",
    summary="Invitations that nobody has accepted yet, without secrets; for owners",
    response_model=InvitationsAnswer,
    responses=refusals(400, 401, 403, 429),
)
async def list_invitations(caller: Caller, room: Room, id: Uuid, asked: Paged) -> Any:
    rows, next_cursor = page(await room.open(caller, id), lambda invitation: invitation.id, asked)
    return listed("invitations", [invitation_row(invitation) for invitation in rows], next_cursor)


@router.post(
    "/projects/{id}/invitations",
    status_code=201,
    operation_id="createInvitation",
    summary="Invite somebody, by a link that counts once and for 7 days; for owners",
    response_model=NewInvitationAnswer,
    responses=refusals(400, 401, 403, 413, 415, 429, 503),
)
async def create_invitation(request: Request, caller: Caller, room: Room, id: Uuid, body: NewInvitation) -> Any:
    invitation, secret = await room.invite(caller, id, body.role)
    return {**invitation_row(invitation), "url": f"{own_origin(request)}/join#{secret}"}


@router.delete(
    "/projects/{id}/invitations/{invitation_id}",
    status_code=204,
    operation_id="withdrawInvitation",
    summary="Withdraw an invitation; for owners",
    responses=refusals(400, 401, 403, 404, 429, 503),
)
async def withdraw_invitation(caller: Caller, room: Room, id: Uuid, invitation_id: Uuid) -> Response:
    await room.withdraw(caller, id, invitation_id)
    return Response(status_code=204)


@router.post(
    "/invitations/accept",
    operation_id="acceptInvitation",
    summary="Join by an invitation: with a new account, or with the account whose token comes along",
    response_model=JoinedAnswer,
    responses=refusals(400, 401, 403, 409, 413, 415, 429, 503),
    openapi_extra={"security": []},
)
async def accept_invitation(request: Request, room: Room, body: Accepted) -> Any:
    now = request.app.state.rooms.clock.now()
    limits: Limits = request.app.state.joins
    if wait := limits.take(address_of(request), now):
        raise RateLimited(wait)
    authorization, joining = request.headers.get("authorization"), None
    if authorization is not None:
        joining = _joining(request, authorization, now)
    joined = await room.accept(body.secret, body.name or "", address_of(request), joining)
    token = None if joined.token is None else joined.token.secret
    return {"user_id": joined.user_id, "project_id": joined.project_id, "token": token}


def _joining(request: Request, authorization: str, now: Instant) -> Principal:
    identity: Identity = request.app.state.identity
    return identity.authenticate(authorization.encode("latin-1"), now, address_of(request))
