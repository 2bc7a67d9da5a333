"""Pages for coming in and leaving: a one-time link is spent for a browser session."""

from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from onduty.cleaning import clean
from onduty.errors import Invalid, Problem, RateLimited, TooLarge, Unsupported
from onduty.identity.asking import Now, address_of, cookie_name, is_secure, keep_cookie
from onduty.identity.service import Identity
from onduty.limits import Limits
from onduty.web.layout import HEADERS, PageRoute, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SIGN_INS_A_MINUTE: Final = 10
_FORM_BYTES: Final = 10_000


def _identity(request: Request) -> Identity:
    room: Identity = request.app.state.identity
    return room


Room = Annotated[Identity, Depends(_identity)]


def sign_in_page(problem: Problem | None = None) -> Response:
    """How to sign in, with what was wrong with the last try."""
    answer = page("sign_in.html", status=problem.status if problem else 200, problem=_words(problem))
    answer.headers.update(problem.headers if problem else {})
    return answer


def _words(problem: Problem | None) -> str | None:
    if isinstance(problem, RateLimited):
        return "Too many tries from your address. Wait a minute, then try again."
    if isinstance(problem, Invalid):
        return "This link does not sign you in: it was used, is older than 15 minutes, or is not complete."
    return problem.message if problem else None


@router.get("/sign-in")
async def show_sign_in() -> Response:
    return sign_in_page()


@router.post("/sign-in")
async def sign_in(request: Request, now: Now, room: Room) -> Response:
    limits: Limits = request.app.state.sign_ins
    try:
        if wait := limits.take(address_of(request), now):
            raise RateLimited(wait)
        cookie = await room.sign_in_by_link(await _secret(request))
    except (Invalid, RateLimited, TooLarge, Unsupported) as problem:
        return sign_in_page(problem)
    if old := request.cookies.get(cookie_name(request)):
        await room.sign_out(old)
    response = RedirectResponse("/", 303, HEADERS)
    keep_cookie(request, response, cookie)
    return response


async def _secret(request: Request) -> str:
    """The form's secret, out of the whole link where somebody pasted that."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise Unsupported("This must be a form")
    body = await request.body()
    if len(body) > _FORM_BYTES:
        raise TooLarge(_FORM_BYTES)
    pasted = parse_qs(body.decode("utf-8", "replace")).get("secret", [""])[0]
    return clean(pasted).rpartition("#")[2]


@router.post("/sign-out")
async def sign_out(request: Request, room: Room) -> Response:
    if cookie := request.cookies.get(cookie_name(request)):
        await room.sign_out(cookie)
    response = RedirectResponse("/", 303, HEADERS)
    response.delete_cookie(cookie_name(request), httponly=True, samesite="lax", secure=is_secure(request))
    return response
