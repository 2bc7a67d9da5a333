"""The live stream of a browser: one for all of its tabs, whatever projects they show."""

from typing import Final

from fastapi import APIRouter, Request, Response

from onduty.clock import Instant
from onduty.errors import Forbidden, Invalid, Unavailable
from onduty.identity.asking import Now, SignedIn, cookie_name
from onduty.identity.service import Identity, secret_digest
from onduty.projects.service import NOT_SEEN, Projects
from onduty.sessions.stream_routes import held, may_watch
from onduty.sessions.streams import TOLD, Stream
from onduty.shapes import uuid
from onduty.web.layout import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_MOST_PROJECTS: Final = 50


@router.get("/live")
async def live(request: Request, now: Now, visitor: SignedIn) -> Response:
    """The stream of each `project` that is named, with ids and states alone in its snapshots (`stream_wire`).

    One that the visitor does not see, or no longer, is `withdrawn`; with none that is seen there is no stream.
    """
    named = _projects(request)
    projects: Projects = request.app.state.projects
    identity: Identity = request.app.state.identity
    cookie = request.cookies[cookie_name(request)]
    sees = may_watch(projects, visitor)

    async def is_signed_in(at: Instant) -> bool:
        try:
            return await identity.browser(cookie, at) is not None
        except Unavailable:
            return True

    if not any(sees(project_id, now) for project_id in named):
        raise Forbidden(NOT_SEEN)
    stream = Stream(named, TOLD, sees, visitor.user_id, is_signed_in, secret_digest(cookie))
    last_event_id = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    return held(request.app.state.streams, stream, last_event_id)


def _projects(request: Request) -> set[str]:
    named = request.query_params.getlist("project")
    if not 1 <= len(named) <= _MOST_PROJECTS:
        raise Invalid.at("project", f"must be there, and at most {_MOST_PROJECTS} times")
    try:
        return {uuid(project_id) for project_id in named}
    except Invalid:
        raise Invalid.at("project", "must be a UUID") from None
