"""The pages of a project's people: its members with what they may, and the invitations that are open."""

from collections.abc import Sequence
from datetime import UTC
from typing import Annotated, Any, Final, cast, get_args

from fastapi import APIRouter, Depends, Request, Response

from onduty.clock import Instant, rfc3339
from onduty.errors import Conflict, Invalid
from onduty.identity.asking import Now, SignedIn, own_origin
from onduty.identity.service import Identity, Principal
from onduty.projects.asking import settings_of
from onduty.projects.invitations import Invitations
from onduty.projects.members import Members
from onduty.projects.model import Membership, Role, rank
from onduty.shapes import Uuid
from onduty.web.forms import form
from onduty.web.layout import PageRoute, go_to, page, zone_of
from onduty.wording import date_of, day_and_time

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_ROLES: Final[Sequence[Role]] = get_args(Role)


def _members(request: Request) -> Members:
    room: Members = request.app.state.members
    return room


def _invitations(request: Request) -> Invitations:
    room: Invitations = request.app.state.invitations
    return room


MembersRoom = Annotated[Members, Depends(_members)]
InvitationsRoom = Annotated[Invitations, Depends(_invitations)]


def _members_path(project_id: str) -> str:
    return f"/projects/{project_id}/settings/members"


def _role(word: str) -> Role:
    if word not in _ROLES:
        raise Invalid.at("role", f"must be one of {', '.join(_ROLES)}")
    return cast("Role", word)


def _by_name(member: tuple[Membership, str]) -> tuple[int, str, str]:
    """Owners first: they are whom one asks."""
    membership, name = member
    return -rank(membership.role), name.casefold(), membership.user_id


def _members_page(
    request: Request, visitor: Principal, room: Members, project_id: str, problem: Conflict | None = None
) -> Response:
    return page(
        request,
        "members.html",
        status=problem.status if problem else 200,
        **settings_of(request, visitor, project_id),
        place="members",
        members=sorted(room.all(visitor, project_id), key=_by_name),
        roles=_ROLES,
        my_id=visitor.user_id,
        problem=problem.message if problem else None,
    )


@router.get("/projects/{project}/settings/members")
async def show_members(request: Request, visitor: SignedIn, room: MembersRoom, project: Uuid) -> Response:
    return _members_page(request, visitor, room, project)


@router.post("/projects/{project}/settings/members/{user}")
async def change_member(request: Request, visitor: SignedIn, room: MembersRoom, project: Uuid, user: Uuid) -> Response:
    """Give a member another role; whoever would take from themself is asked again."""
    fields = await form(request)
    role = _role(fields.get("role", ""))
    try:
        before = room.may_change(visitor, project, user, role)
        if user == visitor.user_id and rank(role) < rank(before) and fields.get("sure") != "yes":
            return _sure_to_lower(request, visitor, project, role)
        await room.change(visitor, project, user, role)
    except Conflict as problem:
        return _members_page(request, visitor, room, project, problem)
    return go_to(_members_path(project))


def _sure_to_lower(request: Request, visitor: Principal, project_id: str, role: Role) -> Response:
    ends = " Your agent sessions there end." if role == "viewer" else ""
    return page(
        request,
        "sure.html",
        **settings_of(request, visitor, project_id),
        place="members",
        question=f"Become a {role} yourself?",
        follows=[f"Only an owner can make you an owner again.{ends}"],
        action=f"{_members_path(project_id)}/{visitor.user_id}",
        keeps={"role": role},
        does=f"Become a {role}",
        back=_members_path(project_id),
    )


@router.get("/projects/{project}/settings/members/{user}/remove")
async def ask_to_remove(request: Request, visitor: SignedIn, room: MembersRoom, project: Uuid, user: Uuid) -> Response:
    frame = settings_of(request, visitor, project)
    try:
        room.may_remove(visitor, project, user)
    except Conflict as problem:
        return _members_page(request, visitor, room, project, problem)
    _, name = room.one(visitor, project, user)
    leaves, named = user == visitor.user_id, frame["project"].name
    return page(
        request,
        "sure.html",
        **frame,
        place="members",
        question=f"Leave {named}?" if leaves else f"Remove {name} from {named}?",
        follows=[
            "You see it no more, and your agent sessions there end. An owner can invite you again."
            if leaves
            else f"{name} sees it no more, and their agent sessions there end. You can invite them again."
        ],
        action=f"{_members_path(project)}/{user}/remove",
        does="Leave" if leaves else "Remove",
        back=_members_path(project),
    )


@router.post("/projects/{project}/settings/members/{user}/remove")
async def remove_member(request: Request, visitor: SignedIn, room: MembersRoom, project: Uuid, user: Uuid) -> Response:
    try:
        await room.remove(visitor, project, user)
    except Conflict as problem:
        return _members_page(request, visitor, room, project, problem)
    return go_to("/projects" if user == visitor.user_id else _members_path(project))


async def _invitations_page(
    request: Request, now: Instant, visitor: Principal, room: Invitations, project_id: str, url: str | None = None
) -> Response:
    identity: Identity = request.app.state.identity
    zone = zone_of(request) or UTC
    found = sorted(await room.open(visitor, project_id), key=lambda each: each.id, reverse=True)
    rows: list[dict[str, Any]] = [
        {
            "id": each.id,
            "role": each.role,
            "by": identity.name_of(each.invited_by),
            "made_at": rfc3339(each.created_at),
            "made": date_of(each.created_at, now, zone),
            "expires_at": rfc3339(each.expires_at),
            "expires": day_and_time(each.expires_at, now, zone),
        }
        for each in found
    ]
    frame = settings_of(request, visitor, project_id)
    return page(request, "invitations.html", **frame, place="invitations", invitations=rows, roles=_ROLES, url=url)


@router.get("/projects/{project}/settings/invitations")
async def show_invitations(
    request: Request, now: Now, visitor: SignedIn, room: InvitationsRoom, project: Uuid
) -> Response:
    return await _invitations_page(request, now, visitor, room, project)


@router.post("/projects/{project}/settings/invitations")
async def invite(request: Request, now: Now, visitor: SignedIn, room: InvitationsRoom, project: Uuid) -> Response:
    """Make an invitation and show its link: this answer is the only place where it ever stands."""
    fields = await form(request)
    _, secret = await room.invite(visitor, project, _role(fields.get("role", "")))
    return await _invitations_page(request, now, visitor, room, project, f"{own_origin(request)}/join#{secret}")


@router.post("/projects/{project}/settings/invitations/{invitation}/withdraw")
async def withdraw(visitor: SignedIn, room: InvitationsRoom, project: Uuid, invitation: Uuid) -> Response:
    await room.withdraw(visitor, project, invitation)
    return go_to(f"/projects/{project}/settings/invitations")
