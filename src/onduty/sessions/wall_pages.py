"""A project on a wall: who is on duty, live and in big type, with nothing to press, by a token of its own."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from onduty.clock import Instant
from onduty.errors import Unauthenticated
from onduty.identity.asking import Now, OnWall, is_secure, wall_cookie_name
from onduty.identity.service import Principal
from onduty.projects.service import Project, Projects
from onduty.sessions.pages import drawn, roster_words
from onduty.sessions.stream_routes import held, may_watch
from onduty.sessions.streams import TOLD, Stream
from onduty.web.layout import PageRoute, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_ENDED: Final = "This view has ended: its token was revoked, or has expired. Open it anew with another."
# Nobody's own: on a wall an agent waits for whoever it is that is named.
_NOBODY: Final = ""


@router.get("/wall")
async def show(request: Request, now: Now, token: OnWall) -> Response:
    """The project, or where to give a token for one."""
    name = wall_cookie_name(request)
    try:
        return await drawn(request, "wall.html", **await _words(request, token, now))
    except Unauthenticated:
        answer = page(request, "wall_open.html", problem=_ENDED if request.cookies.get(name) else None)
    answer.delete_cookie(name, httponly=True, samesite="lax", secure=is_secure(request))
    return answer


@router.get("/wall/part")
async def show_part(request: Request, now: Now, token: OnWall) -> Response:
    return await drawn(request, "roster.html", **await _words(request, token, now))


@router.get("/wall/live")
async def live(request: Request, token: OnWall) -> Response:
    token, project = _seen(request, token)
    stream = Stream({project.id}, TOLD, may_watch(request.app.state.projects, token), _NOBODY)
    last_event_id = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    return held(request.app.state.streams, stream, last_event_id)


async def _words(request: Request, token: Principal | None, now: Instant) -> dict[str, Any]:
    token, project = _seen(request, token)
    return await roster_words(request, token, project, now, _NOBODY) | {"wall": True}


def _seen(request: Request, token: Principal | None) -> tuple[Principal, Project]:
    """The wall's token and the only project that it sees. Unauthenticated where there is none, or no more."""
    projects: Projects = request.app.state.projects
    seen = [] if token is None else projects.visible(token)
    if token is None or len(seen) != 1:
        raise Unauthenticated("This view has ended")
    return token, seen[0]
