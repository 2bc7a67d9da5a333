"""REST for lists of agent sessions: the contract's operation, and its twin over all projects."""

from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from onduty.api import Route
from onduty.identity.asking import Caller, Now
from onduty.sessions.listing import PAGE, Listing, query_of
from onduty.sessions.listing import Query as Wanted
from onduty.sessions.model import STATES
from onduty.sessions.reading import Reading
from onduty.sessions.shown import AgentSessionsAnswer
from onduty.shapes import Uuid, refusals

router = APIRouter(route_class=Route, tags=["agent sessions"])

CACHING: Final = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


def _reading(request: Request) -> Reading:
    room: Reading = request.app.state.reading
    return room


Room = Annotated[Reading, Depends(_reading)]

_TAG: Final = {"description": "Changes when a row reads otherwise", "required": True, "schema": {"type": "string"}}
_LINK: Final = {"description": 'The next page, `rel="next"`, where there is one', "schema": {"type": "string"}}
_DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The sessions, newest activity first", "headers": {"ETag": _TAG, "Link": _LINK}},
    304: {"description": "Not modified since If-None-Match's tag", "headers": {"ETag": _TAG}},
    **refusals(400, 401, 403, 429),
}


_STATE: Final = rf"\s*({'|'.join(STATES)})\s*"
_COMMA_LIST: Final = rf"^{_STATE}(,{_STATE})*$"


class Asked(BaseModel):
    """The query of a list."""

    active: Literal["true", "false"] = Field(
        "true", description="When true (default), filters to sessions with last_activity_at within 5 minutes."
    )
    state: str | None = Field(
        None,
        max_length=200,
        description="A comma list of states to narrow by",
        json_schema_extra={"pattern": _COMMA_LIST},
    )
    limit: int | None = Field(None, ge=1, le=PAGE, description="How many rows a page has at the most")
    cursor: str | None = Field(None, max_length=400, description="`next_cursor` of the page before")

    def of(self, project_id: str | None) -> Wanted:
        return query_of(project_id, self.active == "true", self.state, self.limit, self.cursor)


Parameters = Annotated[Asked, Query()]


def matches(if_none_match: str, etag: bytes) -> bool:
    """Whether one of these tags is the answer's (RFC 9110, 13.1.2: compared weakly)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag.decode() in tags


def _response(request: Request, listing: Listing) -> Response:
    headers = {**CACHING, "ETag": listing.etag.decode()}
    if listing.next_cursor is not None:
        headers["Link"] = f'<{_next(request, listing.next_cursor)}>; rel="next"'
    if matches(", ".join(request.headers.getlist("if-none-match")), listing.etag):
        return Response(status_code=304, headers=headers)
    return Response(listing.body, media_type="application/json", headers=headers)


def _next(request: Request, cursor: str) -> str:
    query = request.query_params
    kept = {name: query[name] for name in ("active", "state", "limit") if name in query}
    return f"{quote(request.url.path)}?{urlencode({**kept, 'cursor': cursor})}"


@router.get(
    "/projects/{id}/agent-sessions",
    operation_id="listProjectAgentSessions",
    summary="List active/recent agent sessions for a project",
    response_model=AgentSessionsAnswer,
    responses=_DOCUMENTED,
)
async def list_of_project(
    request: Request,
    caller: Caller,
    now: Now,
    room: Room,
    id: Uuid,
    asked: Parameters,
) -> Response:
    return _response(request, await room.list(caller, asked.of(id), now))


@router.get(
    "/me/agent-sessions",
    operation_id="listMyAgentSessions",
    summary="Your own agent sessions, over all projects and of none",
    response_model=AgentSessionsAnswer,
    responses=_DOCUMENTED,
)
async def list_own(request: Request, caller: Caller, now: Now, room: Room, asked: Parameters) -> Response:
    return _response(request, await room.list(caller, asked.of(None), now))
