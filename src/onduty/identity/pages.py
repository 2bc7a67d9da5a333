"""Pages for coming in and leaving: a one-time link is spent for a browser session."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from onduty.cleaning import clean
from onduty.errors import Invalid, Problem, RateLimited, TooLarge, Unsupported
from onduty.identity.asking import Now, address_of, cookie_name, is_secure, keep_cookie
from onduty.identity.service import Identity
from onduty.limits import Limits
from onduty.web.forms import form
from onduty.web.layout import PageRoute, go_to, own_path, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SIGN_INS_A_MINUTE: Final = 10


def _identity(request: Request) -> Identity:
    room: Identity = request.app.state.identity
    return room


Room = Annotated[Identity, Depends(_identity)]


def sign_in_page(request: Request, then: str, problem: Problem | None = None) -> Response:
    """How to sign in, and where to go `then`, with what was wrong with the last try."""
    status = problem.status if problem else 200
    answer = page(request, "sign_in.html", status=status, problem=_words(problem), then=own_path(then))
    answer.headers.update(problem.headers if problem else {})
    return answer


def _words(problem: Problem | None) -> str | None:
    if isinstance(problem, RateLimited):
        return "Too many tries from your address. Wait a minute, then try again."
    if isinstance(problem, Invalid):
        return "This link does not sign you in: it was used, is older than 15 minutes, or is not complete."
    return problem.message if problem else None


@router.get("/sign-in")
async def show_sign_in(request: Request, then: Annotated[str, Query(alias="next")] = "/") -> Response:
    return sign_in_page(request, then)


@router.post("/sign-in")
async def sign_in(request: Request, now: Now, room: Room) -> Response:
    limits: Limits = request.app.state.sign_ins
    fields: dict[str, str] = {}
    try:
        if wait := limits.take(address_of(request), now):
            raise RateLimited(wait)
        fields = await form(request)
        # Somebody may have pasted the whole link.
        cookie = await room.sign_in_by_link(clean(fields.get("secret", "")).rpartition("#")[2])
    except (Invalid, RateLimited, TooLarge, Unsupported) as problem:
        return sign_in_page(request, fields.get("next", "/"), problem)
    if old := request.cookies.get(cookie_name(request)):
        await room.sign_out(old)
    response = go_to(own_path(fields.get("next", "/")))
    keep_cookie(request, response, cookie)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, room: Room) -> Response:
    if cookie := request.cookies.get(cookie_name(request)):
        await room.sign_out(cookie)
    response = go_to("/sign-in")
    response.delete_cookie(cookie_name(request), httponly=True, samesite="lax", secure=is_secure(request))
    return response
