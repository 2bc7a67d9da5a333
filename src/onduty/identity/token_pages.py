"""The page of one's tokens: which there are, a new one that is shown once, and taking one back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from onduty.clock import Instant, rfc3339
from onduty.errors import Invalid, NotFound, from_validation
from onduty.identity.asking import Now, SignedIn, own_origin
from onduty.identity.issuing import Issuing, Wanted
from onduty.identity.revoking import Listed, Tokens
from onduty.identity.routes import TokenWanted
from onduty.identity.service import NewToken, Principal
from onduty.projects.service import Projects
from onduty.shapes import Uuid
from onduty.web.forms import form, typed, wrong
from onduty.web.layout import PageRoute, go_to, page, zone_of
from onduty.wording import ago_of, date_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_PLACE: Final = "/settings/tokens"
_DAY_MS: Final = 24 * 3600 * 1000
_LASTING: Final = (
    ("", "Until you revoke it"),
    ("7", "For 7 days"),
    ("30", "For 30 days"),
    ("90", "For 90 days"),
    ("365", "For a year"),
)
_WORDS: Final = {
    "name": "Give it a name of at most 120 characters; the machine's is a good one.",
    "project": "Choose all your projects, or one of them.",
    "days": "Choose one of these.",
}
_NAMED_AT_MOST: Final = 3


def _tokens(request: Request) -> Tokens:
    room: Tokens = request.app.state.tokens
    return room


def _issuing(request: Request) -> Issuing:
    room: Issuing = request.app.state.issuing
    return room


def _projects(request: Request) -> Projects:
    room: Projects = request.app.state.projects
    return room


Room = Annotated[Tokens, Depends(_tokens)]
IssuingRoom = Annotated[Issuing, Depends(_issuing)]
ProjectsRoom = Annotated[Projects, Depends(_projects)]


@dataclass(frozen=True, slots=True)
class Shown:
    """A token as its line says it; instants as RFC 3339 and in words."""

    id: str
    name: str
    public_id: str
    may: str
    acts_as: str
    made_at: str
    made: str
    used_at: str | None
    used: str
    expires_at: str | None
    expires: str
    expires_on: str


@dataclass(frozen=True, slots=True)
class Made:
    """A token that was just made; `wall` is the address of a display that shows its project, where it is for one."""

    name: str
    secret: str
    wall: str | None


@router.get("/settings/tokens")
async def show(request: Request, now: Now, visitor: SignedIn, room: Room, projects: ProjectsRoom) -> Response:
    return await _page(request, now, visitor, room, projects)


@router.post("/settings/tokens")
async def make(
    request: Request, now: Now, visitor: SignedIn, room: Room, issuing: IssuingRoom, projects: ProjectsRoom
) -> Response:
    """Make a token and show it: this answer is the only place where it ever stands."""
    fields = await form(request)
    try:
        token = await issuing.create(visitor, _wanted(fields, projects, visitor, now), now)
    except Invalid as problem:
        return await _page(request, now, visitor, room, projects, fields=fields, problem=problem)
    return await _page(request, now, visitor, room, projects, made=_made(request, token))


async def _page(  # noqa: PLR0913 - what the page shows, in its three ways
    request: Request,
    now: Instant,
    visitor: Principal,
    room: Tokens,
    projects: Projects,
    *,
    made: Made | None = None,
    fields: Mapping[str, str] | None = None,
    problem: Invalid | None = None,
) -> Response:
    found = sorted(await room.others(visitor), key=lambda each: each.principal.token_id, reverse=True)
    names = {project.id: project.name for project in projects.visible(visitor)}
    zone = zone_of(request) or UTC
    return page(
        request,
        "tokens.html",
        status=problem.status if problem else 200,
        me=visitor.name,
        place="tokens",
        tokens=[_shown(each, names, now, zone) for each in found],
        projects=[("", "All my projects"), *names.items()],
        lasting=_LASTING,
        made=made,
        typed=typed(fields or {}),
        wrong=wrong(problem, _WORDS),
    )


def _wanted(fields: Mapping[str, str], projects: Projects, visitor: Principal, now: Instant) -> Wanted:
    """What the form asks for, by the rules of the API. Invalid, at the form's own names."""
    project, days = fields.get("project", ""), fields.get("days", "")
    if days not in dict(_LASTING):
        raise Invalid.at("days", "must be one of the list")
    if project and project not in {each.id for each in projects.visible(visitor)}:
        raise Invalid.at("project", "must be one of the list")
    body: dict[str, Any] = {
        "name": fields.get("name", ""),
        "project_ids": [project] if project else None,
        "caller_role": fields.get("role"),
        "machine_id": fields.get("machine"),
        "read_only": fields.get("access") == "read",
    }
    try:
        wanted = Wanted(**TokenWanted.model_validate(body).model_dump())
    except ValidationError as error:
        named = {"caller_role": "role", "machine_id": "machine"}
        raise Invalid.of((named.get(at, at), says) for at, says in from_validation(error.errors()).fields) from None
    return replace(wanted, expires_at=now + int(days) * _DAY_MS if days else None)


def _made(request: Request, token: NewToken) -> Made:
    may = token.principal
    is_for_a_wall = may.read_only and may.project_ids is not None
    wall = f"{own_origin(request)}/wall#{token.secret}" if is_for_a_wall else None
    return Made(may.name, token.secret, wall)


def _shown(each: Listed, names: Mapping[str, str], now: Instant, zone: tzinfo | None) -> Shown:
    token, used, ends = each.principal, each.last_used_at, each.principal.expires_at
    made = rfc3339(each.created_at)
    return Shown(
        id=token.token_id,
        name=token.name,
        public_id=token.public_id,
        may=_may(token, names),
        acts_as=_acts_as(token),
        made_at=made,
        made=date_of(each.created_at, now, zone),
        used_at=None if used is None else rfc3339(used),
        used="" if used is None else ago_of(rfc3339(used), now, zone),
        expires_at=None if ends is None else rfc3339(ends),
        expires="Expired" if token.expired(now) else "Until",
        expires_on="" if ends is None else date_of(ends, now, zone),
    )


def _may(token: Principal, names: Mapping[str, str]) -> str:
    does = "Read only" if token.read_only else "Report and read"
    more = ", and the server's metrics" if token.metrics else ""
    if token.project_ids is None:
        return f"{does}, all projects{more}"
    # A project that its owner was removed from is told to nobody.
    seen = sorted((names[i] for i in token.project_ids if i in names), key=str.casefold)
    if not seen:
        return f"Nothing: its projects are gone{more}"
    rest = len(seen) - _NAMED_AT_MOST
    return f"{does}, {', '.join(seen[:_NAMED_AT_MOST])}{f' and {rest} more' if rest > 0 else ''}{more}"


def _acts_as(token: Principal) -> str:
    role, machine = token.caller_role, token.machine_id
    return " ".join([f"as {role}"] * bool(role) + [f"on {machine}"] * bool(machine))


@router.get("/settings/tokens/{token_id}/revoke")
async def ask_to_revoke(request: Request, visitor: SignedIn, room: Room, token_id: Uuid) -> Response:
    name = next((each.principal.name for each in await room.others(visitor) if each.principal.token_id == token_id), "")
    if not name:
        raise NotFound("There is no such token")
    return page(
        request,
        "sure.html",
        me=visitor.name,
        place="tokens",
        question=f"Revoke {name}?",
        follows=["It counts no more at once, and the agent sessions that speak through it end."],
        action=f"{_PLACE}/{token_id}/revoke",
        does="Revoke",
        back=_PLACE,
    )


@router.post("/settings/tokens/{token_id}/revoke")
async def revoke(visitor: SignedIn, room: Room, token_id: Uuid) -> Response:
    await room.revoke(visitor, token_id)
    return go_to(_PLACE)
