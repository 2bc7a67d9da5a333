"""REST for the people of a project."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from onduty.api import Route
from onduty.identity.asking import Caller
from onduty.paging import Paged, listed, page
from onduty.projects.members import Members
from onduty.projects.model import Membership, Role
from onduty.shapes import Answer, Body, Uuid, refusals

router = APIRouter(route_class=Route, tags=["people"])


def _members(request: Request) -> Members:
    room: Members = request.app.state.members
    return room


Room = Annotated[Members, Depends(_members)]


class MemberAnswer(Answer):
    user_id: Uuid
    name: str
    role: Role


class MembersAnswer(Answer):
    members: list[MemberAnswer]
    next_cursor: str | None = None


def _unnamed() -> Role:
    return "viewer"


class MemberChange(Body):
    # Only what is named changes; the default is never read.
    role: Role = Field(default_factory=_unnamed)


def member_row(member: tuple[Membership, str]) -> dict[str, Any]:
    """A member as they are answered."""
    membership, name = member
    return {"user_id": membership.user_id, "name": name, "role": membership.role}


@router.get(
    "/projects/{id}/members",
    operation_id="listMembers",
    summary="The project's people",
    response_model=MembersAnswer,
    responses=refusals(400, 401, 403, 429),
)
async def list_members(caller: Caller, room: Room, id: Uuid, asked: Paged) -> Any:
    rows, next_cursor = page(room.all(caller, id), lambda member: member[0].user_id, asked)
    return listed("members", [member_row(member) for member in rows], next_cursor)


@router.patch(
    "/projects/{id}/members/{user_id}",
    operation_id="changeMember",
    summary="Give a member another role; for owners. A viewer's sessions there end",
    response_model=MemberAnswer,
    responses=refusals(400, 401, 403, 404, 409, 413, 415, 429, 503),
)
async def change_member(caller: Caller, room: Room, id: Uuid, user_id: Uuid, body: MemberChange) -> Any:
    if "role" in body.model_fields_set:
        await room.change(caller, id, user_id, body.role)
    return member_row(room.one(caller, id, user_id))


@router.delete(
    "/projects/{id}/members/{user_id}",
    status_code=204,
    operation_id="removeMember",
    summary="Remove a member, or leave; the member's sessions there end",
    responses=refusals(400, 401, 403, 404, 409, 429, 503),
)
async def remove_member(caller: Caller, room: Room, id: Uuid, user_id: Uuid) -> Response:
    await room.remove(caller, id, user_id)
    return Response(status_code=204)
