"""The page behind an invitation's link: whoever opened it gives a name and is in."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response

from onduty.cleaning import NAME, clean, text
from onduty.errors import Invalid, Problem, RateLimited, TooLarge, Unsupported
from onduty.identity.asking import Now, Visitor, address_of, keep_cookie, own_origin
from onduty.identity.service import Identity, sign_in_link
from onduty.limits import Limits
from onduty.projects.invitations import Invitations, Joined
from onduty.web.layout import PageRoute, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_FORM_BYTES = 10_000
_FORM = "application/x-www-form-urlencoded"


def _invitations(request: Request) -> Invitations:
    room: Invitations = request.app.state.invitations
    return room


Room = Annotated[Invitations, Depends(_invitations)]


def _page(name: str | None, problem: Problem | None = None) -> Response:
    """Who joins, with what was wrong with the last try."""
    answer = page("join.html", status=problem.status if problem else 200, me=name, problem=_words(problem))
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
async def show_join(visitor: Visitor) -> Response:
    return _page(visitor.name if visitor else None)


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
        return _page(visitor.name if visitor else None, problem)
    answer = page(
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
    keep_cookie(request, answer, await identity.sign_in_by_link(await sign_in_link(identity, joined.user_id)))


async def _form(request: Request) -> tuple[str, str]:
    """The form's secret, out of the whole link where somebody pasted that, and its name."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Unsupported("This must be a form")
    body = await request.body()
    if len(body) > _FORM_BYTES:
        raise TooLarge(_FORM_BYTES)
    fields = parse_qs(body.decode("utf-8", "replace"))
    secret = clean(fields.get("secret", [""])[0]).rpartition("#")[2]
    return secret, text(fields.get("name", [""])[0], "name", NAME)
