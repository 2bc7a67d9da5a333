"""Where a browser on a wall is given its token, once, for a cookie that nothing but the wall's own pages takes."""

from typing import Final

from fastapi import APIRouter, Request, Response

from onduty.cleaning import clean
from onduty.errors import Invalid, Problem, RateLimited, TooLarge, Unsupported
from onduty.identity.asking import Now, address_of, is_secure, wall_cookie_name
from onduty.identity.walls import Walls
from onduty.limits import Limits
from onduty.web.forms import form
from onduty.web.layout import PageRoute, go_to, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_KEPT_SECONDS: Final = 400 * 24 * 3600


@router.post("/wall")
async def open_wall(request: Request, now: Now) -> Response:
    limits: Limits = request.app.state.sign_ins
    walls: Walls = request.app.state.walls
    try:
        if wait := limits.take(address_of(request), now):
            raise RateLimited(wait)
        fields = await form(request)
        # Somebody may have pasted the whole address.
        secret = clean(fields.get("token", "")).rpartition("#")[2]
        cookie = await walls.open(secret, now, address_of(request))
    except (Invalid, RateLimited, TooLarge, Unsupported) as problem:
        answer: Response = page(request, "wall_open.html", status=problem.status, problem=_words(problem))
        answer.headers.update(problem.headers)
        return answer
    answer = go_to("/wall")
    name, secure = wall_cookie_name(request), is_secure(request)
    answer.set_cookie(name, cookie, max_age=_KEPT_SECONDS, httponly=True, samesite="lax", secure=secure)
    return answer


def _words(problem: Problem) -> str:
    if isinstance(problem, RateLimited):
        return "Too many tries from this address. Wait a minute, then try again."
    told = dict(problem.fields).get("token") if isinstance(problem, Invalid) else None
    return f"This token {told}." if told else problem.message
