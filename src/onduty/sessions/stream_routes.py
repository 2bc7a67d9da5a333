"""REST for who is on duty, live: the list of a project's sessions as a stream of what changes in it."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response

from onduty.answers import Receive, Send
from onduty.api import Held, Route
from onduty.clock import Instant
from onduty.errors import Invalid
from onduty.identity.asking import Caller
from onduty.identity.service import Principal
from onduty.projects.service import Projects
from onduty.sessions.listing import states_of
from onduty.sessions.model import ON_DUTY, STATES, State
from onduty.sessions.stream_wire import HEADERS
from onduty.sessions.streams import TOLD, Stream, Streams
from onduty.shapes import Uuid, refusals

router = APIRouter(route_class=Route, tags=["agent sessions"])

_STATE: Final = rf"\s*({'|'.join(state for state in STATES if state in TOLD)})\s*"
_COMMA_LIST: Final = rf"^{_STATE}(,{_STATE})*$"
_ABOUT: Final = (
    "Server-sent events: `snapshot` with `sessions` and `now` first, then `session` with a `session` that reads "
    "otherwise, `gone` with the `session_id` of one that is in none of the states any more, each with `now`. "
    "A comment at least every 10 s. Each event has an id; whoever comes back with the last one is told what changed "
    "since, or gets a new snapshot where that is more than the last 1 000 changes, or not known any more."
)
_DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The stream", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    **refusals(400, 401, 403, 429),
}
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=100, description="The id of the last event that was read")
]


def held(streams: Streams, stream: Stream, last_event_id: str | None) -> Held:
    """A stream as an answer."""

    async def tell(receive: Receive, send: Send) -> bool:
        return await streams.hold(stream, last_event_id, receive, send)

    return Held(HEADERS, tell)


def told_states(text: str | None) -> frozenset[State]:
    """A comma list of states that are told live, those on duty for none. Invalid at `state` for another word."""
    states = states_of(text)
    if states is None:
        return ON_DUTY
    if not states <= TOLD:
        raise Invalid.at("state", "ended sessions are in the list, not in its stream")
    return states


def may_watch(projects: Projects, principal: Principal) -> Callable[[str, Instant], bool]:
    """Whether somebody may be told of a project, at the time of asking."""
    return lambda project_id, now: not principal.expired(now) and projects.sees(principal, project_id) is not None


class _Events(Response):
    media_type = "text/event-stream"


@router.get(
    "/projects/{id}/agent-sessions/stream",
    operation_id="streamProjectAgentSessions",
    summary="Agent sessions of a project, live",
    description=_ABOUT,
    response_class=_Events,
    responses=_DOCUMENTED,
)
async def stream_of_project(
    request: Request,
    caller: Caller,
    id: Uuid,
    state: Annotated[
        str | None,
        Query(
            max_length=200,
            description="A comma list of states to narrow by; those on duty by default",
            json_schema_extra={"pattern": _COMMA_LIST},
        ),
    ] = None,
    last_event_id: Annotated[
        str | None, Query(max_length=100, description="The same as the header, which counts where both are there")
    ] = None,
    last_event_id_header: LastEventId = None,
) -> Response:
    states = told_states(state)
    projects: Projects = request.app.state.projects
    projects.role(caller, id)
    stream = Stream({id}, states, may_watch(projects, caller))
    return held(request.app.state.streams, stream, last_event_id_header or last_event_id)
