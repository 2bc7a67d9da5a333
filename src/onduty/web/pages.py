"""What belongs to no subject: how the pages look to this reader."""

from fastapi import APIRouter, Request, Response

from onduty.web.forms import form
from onduty.web.layout import THEME_COOKIE, THEMES, PageRoute, go_to, own_path

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_YEAR_SECONDS = 365 * 24 * 3600


@router.post("/theme")
async def choose_theme(request: Request) -> Response:
    """Light, dark, or as the system has it, in this browser from now on."""
    fields = await form(request)
    answer = go_to(own_path(fields.get("next", "/")))
    if (theme := fields.get("theme")) in THEMES:
        answer.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_SECONDS, httponly=True, samesite="lax")
    else:
        answer.delete_cookie(THEME_COOKIE, httponly=True, samesite="lax")
    return answer
