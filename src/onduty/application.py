"""The application behind the front: REST with its document, the MCP endpoint, pages, health."""

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route, compile_path
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import onduty
from onduty.answers import Application, Receive, Scope, Send
from onduty.api import Held, problem_response
from onduty.audit.pages import router as audit_pages
from onduty.audit.routes import router as audit
from onduty.document import document
from onduty.errors import Invalid, MethodNotAllowed, NotFound, Problem
from onduty.export_routes import pages as export_pages
from onduty.export_routes import router as export
from onduty.handout import router as client_program
from onduty.health import router as health
from onduty.identity.asking import TokenGate
from onduty.identity.connect_pages import router as connect
from onduty.identity.pages import SIGN_INS_A_MINUTE
from onduty.identity.pages import router as sign_in
from onduty.identity.pairing import REDEEMED_A_MINUTE
from onduty.identity.pairing_routes import router as pairings
from onduty.identity.profile_pages import router as profile
from onduty.identity.routes import router as identity
from onduty.identity.token_pages import router as token_pages
from onduty.identity.token_routes import router as tokens
from onduty.identity.wall_pages import router as wall_opening
from onduty.limits import Limits
from onduty.mcp.arriving import Arriving
from onduty.mcp.layer import Layer
from onduty.mcp.streams import Streams
from onduty.projects.invitation_routes import TRIES_A_MINUTE
from onduty.projects.invitation_routes import router as invitations
from onduty.projects.pages import router as join
from onduty.projects.people_pages import router as people_pages
from onduty.projects.people_routes import router as people
from onduty.projects.routes import router as projects
from onduty.projects.settings_pages import router as project_settings
from onduty.rooms import Rooms
from onduty.sessions.events_routes import router as events
from onduty.sessions.history.pages import router as history
from onduty.sessions.overview_pages import router as overview
from onduty.sessions.pages import router as on_duty
from onduty.sessions.reading_routes import router as reading
from onduty.sessions.routes import router as sessions
from onduty.sessions.stream_pages import router as live
from onduty.sessions.stream_routes import router as stream
from onduty.sessions.wall_pages import router as wall
from onduty.web.layout import HEADERS, refusal, wants_page
from onduty.web.pages import router as look

_STATIC: Final = Path(__file__).parent / "web" / "static"
_ABOUT: Final = (
    "Which AI coding agents are at work on a project. Send a token as `Authorization: Bearer ody_…`. "
    "Times are RFC 3339 in UTC with milliseconds; every refusal is one error object."
)


_ROUTERS: Final = (
    (reading, "/api"),
    (stream, "/api"),
    (sessions, "/api"),
    (events, "/api"),
    (projects, "/api"),
    (people, "/api"),
    (invitations, "/api"),
    (audit, "/api"),
    (export, "/api"),
    (identity, "/api"),
    (tokens, "/api"),
    (pairings, "/api"),
    (client_program, ""),
    (health, ""),
    (look, ""),
    (sign_in, ""),
    (profile, ""),
    (token_pages, ""),
    (project_settings, ""),
    (people_pages, ""),
    (audit_pages, ""),
    (export_pages, ""),
    (join, ""),
    (overview, ""),
    (connect, ""),
    (on_duty, ""),
    (history, ""),
    (live, ""),
    (wall_opening, ""),
    (wall, ""),
)


class _Static(StaticFiles):
    """Files under the policy of pages, for a worker is held to that of its own file."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        answer = super().file_response(*arguments, **named)
        answer.headers["Content-Security-Policy"] = HEADERS["Content-Security-Policy"]
        return answer


class _Rest(FastAPI):
    """FastAPI without its outermost layer, whose plain-text 500 would go out before the front's error object."""

    def build_middleware_stack(self) -> ASGIApp:
        stack = super().build_middleware_stack()
        assert isinstance(stack, ServerErrorMiddleware)
        return stack.app


_TAGS: Final = ("agent sessions", "agent events", "projects", "people", "audit", "identity")


def rest(rooms: Rooms) -> FastAPI:
    """REST, pages and health over these rooms."""
    app = _Rest(
        title="Onduty",
        version=onduty.__version__,
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_tags=[{"name": name} for name in _TAGS],
    )
    app.state.rooms = rooms
    app.state.gate = TokenGate(rooms.identity, rooms.limits, rooms.clock)
    app.state.pairings = Limits(REDEEMED_A_MINUTE, REDEEMED_A_MINUTE)
    app.state.joins = Limits(TRIES_A_MINUTE, TRIES_A_MINUTE)
    app.state.sign_ins = Limits(SIGN_INS_A_MINUTE, SIGN_INS_A_MINUTE)
    app.state.refused_sign_ins = Limits(1, 1)
    for name in ("identity", "accounts", "browsers"):
        setattr(app.state, name, getattr(rooms, name))
    for name in ("projects", "issuing", "pairing", "sessions", "reading", "events", "history", "streams"):
        setattr(app.state, name, getattr(rooms, name))
    for name in ("tokens", "members", "invitations", "owning", "audit", "walls"):
        setattr(app.state, name, getattr(rooms, name))
    app.state.methods = []
    for router, prefix in _ROUTERS:
        app.include_router(router, prefix=prefix)
        app.state.methods += [
            (compile_path(prefix + route.path)[0], route.methods) for route in router.routes if isinstance(route, Route)
        ]
    app.add_api_route("/api/openapi.json", _document, include_in_schema=False)
    app.add_api_route("/api/docs", _browse, include_in_schema=False)
    app.mount("/static", GZipMiddleware(_Static(directory=_STATIC), minimum_size=1_000))
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Problem, _problem)
    return app


async def _document(request: Request) -> Response:
    from onduty.sessions.rows import encode

    return Response(encode(document(request.app)), media_type="application/json")


async def _browse() -> FileResponse:
    # Its style sheet holds its pictures.
    policy = HEADERS["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self' data:")
    headers = {"Content-Security-Policy": policy}
    return FileResponse(_STATIC / "docs" / "index.html", media_type="text/html", headers=headers)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _refused(request: Request, error: Exception) -> Response:
    """The router's own refusals: 404, and 405 with every method of the path. A person gets a page of it."""
    assert isinstance(error, HTTPException)
    problem: Problem = Invalid("The request is not valid")
    if error.status_code == 405:
        problem = MethodNotAllowed(_methods(request))
    elif error.status_code == 404:
        problem = NotFound()
    if not wants_page(request):
        return problem_response(problem)
    problem.message = "There is no page at this address"
    return refusal(request, problem)


def _methods(request: Request) -> set[str]:
    path = request.url.path
    found = {method for matches, methods in request.app.state.methods if matches.match(path) for method in methods}
    # What stands in no router, the document and files, is only looked at.
    return found or {"GET"}


def application(rooms: Rooms) -> Application:
    """Everything behind the front."""
    ordinary = rest(rooms)
    arriving = Arriving(rooms.sessions, rooms.resolution, rooms.projects, rooms.wires)
    streams = Streams(arriving, rooms.presence)
    mcp = Layer(rooms.identity, rooms.limits, rooms.clock, arriving, streams, rooms.background)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Held] = []
        scope["onduty.held"] = held
        await (mcp if scope["path"] == "/mcp" else ordinary)(scope, receive, send)
        for answer in held:
            await answer.go_on(scope, receive, send)

    return app
