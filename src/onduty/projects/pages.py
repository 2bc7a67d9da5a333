"""Where one starts, and the page behind an invitation's link: whoever opened it gives a name and is in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from onduty.cleaning import NAME, clean, text
from onduty.errors import Invalid, Problem, RateLimited
from onduty.identity.asking import Now, SignedIn, Visitor, address_of, keep_cookie, own_origin, place_of
from onduty.identity.service import Identity, sign_in_link
from onduty.limits import Limits
from onduty.projects.invitations import Invitations, Joined
from onduty.projects.service import Projects
from onduty.web.forms import form
from onduty.web.layout import PageRoute, go_to, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)


def _invitations(request: Request) -> Invitations:
    room: Invitations = request.app.state.invitations
    return room


Room = Annotated[Invitations, Depends(_invitations)]


@router.get("/")
async def start(request: Request, visitor: SignedIn) -> Response:
    """On to the only project, or to all of them."""
    projects: Projects = request.app.state.projects
    seen = projects.visible(visitor)
    return go_to(f"/projects/{seen[0].id}" if len(seen) == 1 else "/projects")


def _page(request: Request, name: str | None, problem: Problem | None = None) -> Response:
    """Who joins, with what was wrong with the last try."""
    answer = page(request, "join.html", status=problem.status if problem else 200, me=name, problem=_words(problem))
    answer.headers.update(problem.headers if problem else {})
    return answer


def _words(problem: Problem | None) -> str | None:
    if isinstance(problem, RateLimited):
        return "Too many tries from your address. Wait a minute, then try again."
    if isinstance(problem, Invalid) and any(path == "name" for path, _ in problem.fields):
        return "Give a name of at most 120 characters, by which the others will know you."
    if isinstance(problem, Invalid):
        return "This invitation does not let you in: it was used, withdrawn, is older than 7 days, or is not complete."
    return problem.message if problem else None


@router.get("/join")
async def show_join(request: Request, visitor: Visitor) -> Response:
    return _page(request, visitor.name if visitor else None)


@router.post("/join")
async def join(request: Request, now: Now, visitor: Visitor, room: Room) -> Response:
    """Join: who is signed in with their account, anybody else with a new one, signed in from here on."""
    limits: Limits = request.app.state.joins
    try:
        if wait := limits.take(address_of(request), now):
            raise RateLimited(wait)
        secret, name = await _form(request)
        joined = await room.accept(secret, name, address_of(request), visitor)
    except Problem as problem:
        return _page(request, visitor.name if visitor else None, problem)
    answer = page(
        request,
        "joined.html",
        project=request.app.state.projects.known[joined.project_id].name,
        project_id=joined.project_id,
        secret=None if joined.token is None else joined.token.secret,
        origin=own_origin(request),
    )
    if joined.token is not None:
        await _sign_in(request, answer, joined)
    return answer


async def _sign_in(request: Request, answer: Response, joined: Joined) -> None:
    identity: Identity = request.app.state.identity
    secret = await sign_in_link(identity, joined.user_id)
    keep_cookie(request, answer, await identity.sign_in_by_link(secret, place_of(request)))


async def _form(request: Request) -> tuple[str, str]:
    """The form's secret, out of the whole link where somebody pasted that, and its name."""
    fields = await form(request)
    return clean(fields.get("secret", "")).rpartition("#")[2], text(fields.get("name", ""), "name", NAME)
