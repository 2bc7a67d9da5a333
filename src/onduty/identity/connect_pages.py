"""The page that connects an agent: one line to paste, and then its first sign of life, on the same page."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from onduty.cleaning import ROLE, text
from onduty.client import connect as client
from onduty.clock import Instant, rfc3339
from onduty.errors import Invalid
from onduty.identity.asking import Now, SignedIn, own_origin
from onduty.identity.model import Principal
from onduty.identity.pairing import Pairing
from onduty.projects.service import Project, Projects
from onduty.sessions.service import AgentSession, Registry, Sessions, judge
from onduty.shapes import Uuid
from onduty.web.forms import form
from onduty.web.layout import PageRoute, page, zone_of
from onduty.wording import age, client_name, mark_of, time_of_day

router = APIRouter(route_class=PageRoute, include_in_schema=False)

RUN: Final = "run"
OTHER: Final = "other"
_LATEST: Final = 2**62


@dataclass(frozen=True, slots=True)
class Client:
    """A choice. `name` is the command line's word for it."""

    name: str
    title: str
    mark: str


@cache
def clients() -> tuple[Client, ...]:
    """The agent clients that `onduty connect` knows, any command, and whatever else speaks MCP."""
    known = [client.agent(name) for name in client.known()]
    return (
        *(Client(module.NAME, module.TITLE, mark_of(module.ORIGIN)) for module in known),
        Client(OTHER, "Other MCP client", "other"),
        Client(RUN, "Any command", "other"),
    )


@dataclass(frozen=True, slots=True)
class Choice:
    client: Client
    project: Project
    role: str


@router.get("/projects/{project}/connect")
async def show(request: Request, visitor: SignedIn, project: Uuid) -> Response:
    projects: Projects = request.app.state.projects
    chosen = Choice(clients()[0], projects.project(visitor, project), "")
    return page(request, "connect.html", line=None, **_words(request, visitor, chosen))


@router.post("/projects/{project}/connect")
async def make_line(request: Request, now: Now, visitor: SignedIn, project: Uuid) -> Response:
    """The line for what was chosen, with a new code. It stands in the answer itself, for no address has a secret."""
    projects: Projects = request.app.state.projects
    fields = await form(request)
    chosen = Choice(
        _client(fields), projects.project(visitor, fields.get("project", project).lower()), fields.get("role", "")
    )
    projects.acting(visitor, chosen.project.id)
    try:
        text(chosen.role, "role", ROLE)
    except Invalid:
        wrong = {"wrong": f"Write at most {ROLE} characters."}
        return page(request, "connect.html", status=400, line=None, **_words(request, visitor, chosen) | wrong)
    zone, until = zone_of(request), None
    code = ""
    if chosen.client.name != OTHER:
        pairing: Pairing = request.app.state.pairing
        code, until = await pairing.code(visitor)
    return page(
        request,
        "connect.html",
        line=_line(chosen, own_origin(request), code, _named(projects, visitor, chosen.project)),
        until=None if until is None else time_of_day(until, zone or UTC)[:5] + ("" if zone else " UTC"),
        since=now,
        **_words(request, visitor, chosen),
        **_arrivals(request, visitor, chosen.project.id, now, now),
    )


@router.get("/projects/{project}/connect/arrived")
async def show_arrived(
    request: Request,
    now: Now,
    visitor: SignedIn,
    project: Uuid,
    since: Annotated[int, Query(ge=0, le=_LATEST)],
    client: Annotated[str, Query(max_length=32)] = OTHER,
) -> Response:
    """The part that listens: the visitor's own agents there whose first sign of life came after `since`."""
    projects: Projects = request.app.state.projects
    projects.role(visitor, project)
    chosen = _client({"client": client})
    words = _arrivals(request, visitor, project, since, now)
    return page(request, "arrived.html", since=since, project=projects.known[project], chosen=chosen, **words)


def _client(fields: Mapping[str, str]) -> Client:
    found = next((each for each in clients() if each.name == fields.get("client")), None)
    if found is None:
        raise Invalid.at("client", f"must be one of {', '.join(each.name for each in clients())}")
    return found


def _words(request: Request, visitor: Principal, chosen: Choice) -> dict[str, Any]:
    projects: Projects = request.app.state.projects
    acting = [each for each in projects.visible(visitor) if projects.may_act(visitor, each.id)]
    return {
        "me": visitor.name,
        "tab": "connect",
        "project": chosen.project,
        "chosen": chosen.client,
        "role": chosen.role,
        "clients": clients(),
        "projects": acting,
        "may": projects.may_act(visitor, chosen.project.id),
        "origin": own_origin(request),
        "wrong": None,
    }


def _named(projects: Projects, visitor: Principal, project: Project) -> str:
    """The project's name, or where another has the same its id."""
    same = [each for each in projects.visible(visitor) if each.name.casefold() == project.name.casefold()]
    return project.id if len(same) > 1 else project.name


def _line(chosen: Choice, origin: str, code: str, project: str) -> Sequence[str]:
    """What is pasted, in pieces that a narrow screen keeps whole. Whatever a person wrote is quoted for the shell."""
    role = shlex.quote(text(chosen.role, "role", ROLE))
    fetch = [f"curl -fsSO {origin}/client/onduty.pyz", "&& python3 onduty.pyz"]
    if chosen.client.name == RUN:
        named = [f"ONDUTY_PROJECT={shlex.quote(project)}", *([f"ONDUTY_ROLE={role}"] if chosen.role else [])]
        sign_in = ["login", f"--server {origin}", f"--code {code}", "&&"]
        return [*fetch, *sign_in, *named, "python3 onduty.pyz run", "-- COMMAND"]
    if chosen.client.name == OTHER:
        return []
    words = [f"connect {chosen.client.name}", f"--server {origin}", f"--project {shlex.quote(project)}"]
    return [*fetch, *words, *([f"--role {role}"] if chosen.role else []), f"--code {code}"]


def _arrivals(request: Request, visitor: Principal, project_id: str, since: Instant, now: Instant) -> dict[str, Any]:
    sessions: Sessions = request.app.state.sessions
    registry: Registry = sessions.registry
    found = [s for s in registry.of_project(project_id) if s.user_id == visitor.user_id and _came(s, since)]
    shown = [s for s in found if registry.shown(s, now)[0]]
    return {
        "arrived": [_row(session, registry, now) for session in sorted(shown, key=lambda s: s.connected_at)],
        "listened": age(since, now),
        "clock": time_of_day(now, zone_of(request) or UTC),
    }


def _came(session: AgentSession, since: Instant) -> bool:
    return max(session.connected_at, session.registers.reopen_t, session.registers.reopen_s) >= since


def _row(session: AgentSession, registry: Registry, now: Instant) -> dict[str, Any]:
    return {
        "id": session.id,
        "state": judge(session, max(now, session.registers.life), registry.gaps).state,
        "client": " ".join(w for w in (client_name(session.caller_origin), session.client_version) if w),
        "mark": mark_of(session.caller_origin),
        "role": session.caller_role,
        "machine": session.machine_id,
        "at": rfc3339(session.connected_at),
    }
