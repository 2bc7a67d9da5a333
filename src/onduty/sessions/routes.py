"""REST for one agent session, and for registering one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from onduty.api import Route
from onduty.cleaning import BRANCH, FOLDER, MACHINE, ORIGIN, REF, ROLE, SAID, TICKET, VERSION
from onduty.clock import Instant
from onduty.identity.asking import Caller, Now
from onduty.sessions.model import AgentSession, judge
from onduty.sessions.rows import as_row, encode
from onduty.sessions.service import Registration, Sessions
from onduty.sessions.shown import AgentSessionAnswer
from onduty.shapes import Body, Slug, Uuid, Words, example, refusals

router = APIRouter(route_class=Route, tags=["agent sessions"])


def _sessions(request: Request) -> Sessions:
    room: Sessions = request.app.state.sessions
    return room


Room = Annotated[Sessions, Depends(_sessions)]

_SETS = ("caller_role", "caller_origin", "client_version", "branch", "folder")


class NewAgentSession(Body):
    model_config = example(machine_id="laptop", caller_role="backend", caller_origin="claude-code", branch="main")

    machine_id: Annotated[str, Slug(MACHINE, required=True)]
    caller_role: Annotated[str, Words(ROLE)] | None = None
    caller_origin: Annotated[str, Words(ORIGIN)] | None = None
    client_ref: Annotated[str, Words(REF)] | None = None
    client_version: Annotated[str, Words(VERSION)] | None = None
    branch: Annotated[str, Slug(BRANCH)] | None = None
    folder: Annotated[str, Words(FOLDER)] | None = None
    parent: Uuid | None = None


class AgentSessionChange(Body):
    model_config = example(caller_role="backend", said="Moves the tests to the new client", ticket="APP-7")

    caller_role: Annotated[str, Words(ROLE)] | None = None
    said: Annotated[str, Words(SAID)] | None = None
    ticket: Annotated[str, Words(TICKET)] | None = None
    branch: Annotated[str, Slug(BRANCH)] | None = None


def _answer(session: AgentSession, room: Sessions, now: Instant, status: int = 200) -> Response:
    # What was just written is later than the request's own instant.
    now = max(now, session.registers.life)
    row = as_row(session, judge(session, now, room.registry.gaps), now)
    return Response(encode(row), status, media_type="application/json")


def named(body: Body, fields: tuple[str, ...]) -> dict[str, str | None]:
    """Which of these fields a body names, each as it is to be kept: null and what is empty once cleaned clear it."""
    return {name: getattr(body, name) or None for name in fields if name in body.model_fields_set}


@router.post(
    "/projects/{id}/agent-sessions",
    status_code=201,
    operation_id="registerAgentSession",
    summary="Register an agent session",
    response_model=AgentSessionAnswer,
    responses={
        200: {"model": AgentSessionAnswer, "description": "The session that this client_ref already means"},
        **refusals(400, 401, 403, 413, 415, 429, 503),
    },
)
async def register(caller: Caller, now: Now, room: Room, id: Uuid, body: NewAgentSession) -> Response:
    wanted = Registration(body.machine_id, body.client_ref or None, body.parent, named(body, _SETS))
    session, is_new = await room.register(caller, id, wanted)
    return _answer(session, room, now, 201 if is_new else 200)


@router.get(
    "/agent-sessions/{session_id}",
    operation_id="getAgentSession",
    summary="One agent session",
    response_model=AgentSessionAnswer,
    responses=refusals(400, 401, 404, 429),
)
async def get_session(caller: Caller, now: Now, room: Room, session_id: Uuid) -> Response:
    return _answer(await room.find(caller, session_id), room, now)


@router.patch(
    "/agent-sessions/{session_id}",
    operation_id="changeAgentSession",
    summary="Say what the session does: role, branch, ticket, a line of its own",
    response_model=AgentSessionAnswer,
    responses=refusals(400, 401, 403, 404, 409, 413, 415, 429, 503),
)
async def change(caller: Caller, now: Now, room: Room, session_id: Uuid, body: AgentSessionChange) -> Response:
    words_set = named(body, tuple(AgentSessionChange.model_fields))
    return _answer(await room.change(caller, session_id, words_set), room, now)


@router.delete(
    "/agent-sessions/{session_id}",
    status_code=204,
    operation_id="endAgentSession",
    summary="End an agent session; twice is fine",
    responses=refusals(400, 401, 403, 404, 429, 503),
)
async def end(caller: Caller, room: Room, session_id: Uuid) -> Response:
    await room.end(caller, session_id, "deleted")
    return Response(status_code=204)


@router.post(
    "/agent-sessions/{session_id}/activity",
    status_code=204,
    operation_id="recordActivity",
    summary="Record a sign of life; no body is needed",
    responses=refusals(400, 401, 403, 404, 409, 429, 503),
)
async def record_activity(caller: Caller, now: Now, room: Room, session_id: Uuid) -> Response:
    await room.act(caller, session_id, now)
    return Response(status_code=204)
