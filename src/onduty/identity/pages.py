"""Pages for coming in and leaving: e-mail address and password, or a one-time link, for a browser session."""

import logging
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from onduty.cleaning import clean
from onduty.clock import Instant
from onduty.errors import Invalid, Problem, RateLimited, TooLarge, Unsupported
from onduty.identity.accounts import Accounts
from onduty.identity.asking import Now, address_of, cookie_name, is_secure, keep_cookie, place_of
from onduty.identity.service import Identity
from onduty.limits import Limits
from onduty.web.forms import form
from onduty.web.layout import PageRoute, go_to, own_path, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SIGN_INS_A_MINUTE: Final = 10
_BY_LINK: Final = "secret"

_log = logging.getLogger(__name__)


def _identity(request: Request) -> Identity:
    room: Identity = request.app.state.identity
    return room


Room = Annotated[Identity, Depends(_identity)]


def sign_in_page(request: Request, fields: Mapping[str, str], problem: Problem | None = None) -> Response:
    """How to sign in, and where to go then, with what was typed and what was wrong with it."""
    answer = page(
        request,
        "sign_in.html",
        status=problem.status if problem else 200,
        then=own_path(fields.get("next", "/")),
        email=fields.get("email", ""),
        by_link=_BY_LINK in fields,
        problem=_words(problem),
    )
    answer.headers.update(problem.headers if problem else {})
    return answer


def _words(problem: Problem | None) -> str | None:
    if isinstance(problem, RateLimited):
        return "Too many tries from your address. Wait a minute, then try again."
    if isinstance(problem, Invalid) and any(path == _BY_LINK for path, _ in problem.fields):
        return "This link does not sign you in: it was used, is older than 15 minutes, or is not complete."
    if isinstance(problem, Invalid):
        return "No account has this e-mail address and this password. Check both."
    return problem.message if problem else None


@router.get("/sign-in")
async def show_sign_in(request: Request, then: Annotated[str, Query(alias="next")] = "/") -> Response:
    return sign_in_page(request, {"next": then})


@router.post("/sign-in")
async def sign_in(request: Request, now: Now, room: Room) -> Response:
    fields: dict[str, str] = {}
    try:
        count_try(request, now)
        fields = await form(request)
        cookie = await _let_in(request, room, fields)
    except (Invalid, RateLimited, TooLarge, Unsupported) as problem:
        return sign_in_page(request, fields, problem)
    if old := request.cookies.get(cookie_name(request)):
        await room.sign_out(old)
    response = go_to(own_path(fields.get("next", "/")))
    keep_cookie(request, response, cookie)
    return response


async def _let_in(request: Request, room: Identity, fields: Mapping[str, str]) -> str:
    if _BY_LINK in fields:
        # Somebody may have pasted the whole link.
        return await room.sign_in_by_link(clean(fields[_BY_LINK]).rpartition("#")[2], place_of(request))
    accounts: Accounts = request.app.state.accounts
    return await accounts.sign_in(fields.get("email", ""), fields.get("password", ""), place_of(request))


def count_try(request: Request, now: Instant) -> None:
    """Count a try to show who one is. RateLimited after too many from that address, which the log says now and then."""
    limits: Limits = request.app.state.sign_ins
    address = address_of(request)
    if wait := limits.take(address, now):
        log_lines: Limits = request.app.state.refused_sign_ins
        if not log_lines.take(address, now):
            _log.warning("too many tries to sign in from %s: refused for now", address)
        raise RateLimited(wait)


@router.post("/sign-out")
async def sign_out(request: Request, room: Room) -> Response:
    if cookie := request.cookies.get(cookie_name(request)):
        await room.sign_out(cookie)
    response = go_to("/sign-in")
    response.delete_cookie(cookie_name(request), httponly=True, samesite="lax", secure=is_secure(request))
    return response
