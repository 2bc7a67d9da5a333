"""A session's page: what it is, what it was, what it told; and its end, asked for twice."""

from datetime import UTC, tzinfo
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from onduty.clock import Instant, rfc3339
from onduty.errors import Invalid
from onduty.identity.asking import Now, SignedIn
from onduty.identity.service import Identity, Principal
from onduty.projects.service import Project, Projects
from onduty.sessions.fold import Event
from onduty.sessions.history.lane import lane
from onduty.sessions.history.model import Span
from onduty.sessions.history.service import FOLDED, History, Look
from onduty.sessions.history.words import END, exactly, length, moment, said, why
from onduty.sessions.model import STATES, AgentSession, judge
from onduty.sessions.rows import as_row
from onduty.sessions.service import Sessions
from onduty.shapes import Uuid
from onduty.web.layout import PageRoute, go_to, page, zone_of
from onduty.wording import ago_of, client_name, mark_of, sentence

router = APIRouter(route_class=PageRoute, include_in_schema=False)

STATES_SHOWN: Final = 8
EVENTS_SHOWN: Final = 12
EVENTS_A_PAGE: Final = 200
SUB_AGENTS_SHOWN: Final = 8
_CURSOR: Final = 240


def _history(request: Request) -> History:
    room: History = request.app.state.history
    return room


Room = Annotated[History, Depends(_history)]


@router.get("/sessions/{session_id}")
async def show(request: Request, now: Now, visitor: SignedIn, room: Room, session_id: Uuid) -> Response:
    """Its page; with `states=all` each of its states."""
    look = await room.look(visitor, session_id, now)
    now, zone = max(now, look.session.registers.life), zone_of(request) or UTC
    whole = request.query_params.get("states") == "all"
    words = {
        **_common(request, visitor, look.session, now),
        "look": look,
        "head": _head(look, now, zone),
        "over_time": _over_time(look, now, zone, None if whole else STATES_SHOWN),
        "events": [_event(event, now, zone) for event in look.events[:EVENTS_SHOWN]],
        "sub_agents": [_sub_agent(each, now, zone) for each in look.sub_agents[:SUB_AGENTS_SHOWN]],
        "children": [_relative(request, child, now, zone) for child in look.children],
        "parent": None if look.parent is None else _relative(request, look.parent, now, zone),
        "folded": FOLDED,
    }
    return page(request, "session.html", **words)


@router.get("/sessions/{session_id}/events")
async def show_events(
    request: Request,
    now: Now,
    visitor: SignedIn,
    room: Room,
    session_id: Uuid,
    before: Annotated[str, Query(max_length=_CURSOR)] = "",
) -> Response:
    """Its events, the newest first, so many a page."""
    session, events = await room.events(visitor, session_id, _cursor(before), EVENTS_A_PAGE + 1)
    shown, zone = events[:EVENTS_A_PAGE], zone_of(request) or UTC
    words = {
        **_common(request, visitor, session, now),
        "events": [_event(event, now, zone) for event in shown],
        "older": f"{shown[-1].at}-{shown[-1].id}" if len(events) > EVENTS_A_PAGE else None,
        "newest": not before,
    }
    return page(request, "session_events.html", **words)


@router.get("/sessions/{session_id}/end")
async def ask_to_end(request: Request, now: Now, visitor: SignedIn, room: Room, session_id: Uuid) -> Response:
    """Asks once more. Forbidden for whom it does not concern."""
    session = await room.sessions.find(visitor, session_id)
    room.sessions.may_end(visitor, session)
    return page(request, "session_end.html", **_common(request, visitor, session, now))


@router.post("/sessions/{session_id}/end")
async def end(request: Request, visitor: SignedIn, session_id: Uuid) -> Response:
    sessions: Sessions = request.app.state.sessions
    await sessions.end(visitor, session_id, "deleted")
    return go_to(f"/sessions/{session_id}")


def _cursor(before: str) -> tuple[Instant, str] | None:
    at, _, event_id = before.partition("-")
    if not before:
        return None
    if not at.isascii() or not at.isdigit() or len(at) > len(str(2**62)) or not event_id:
        raise Invalid.at("before", "is no place in this list")
    return int(at), event_id


def _common(request: Request, visitor: Principal, session: AgentSession, now: Instant) -> dict[str, Any]:
    projects: Projects = request.app.state.projects
    identity: Identity = request.app.state.identity
    project: Project | None = projects.known.get(session.project_id or "")
    whose = identity.name_of(session.user_id)
    return {
        "me": visitor.name,
        "project": project,
        "session": session,
        "whose": whose,
        "title": " · ".join(word for word in (whose, session.caller_role) if word),
        "client": " ".join(w for w in (client_name(session.caller_origin), session.client_version) if w),
        "mark": mark_of(session.caller_origin),
        "utc": zone_of(request) is None,
    }


def _head(look: Look, now: Instant, zone: tzinfo) -> dict[str, Any]:
    """What it is now, as everybody is told it."""
    row = as_row(look.session, look.verdict, now)
    return {
        "state": look.verdict.state,
        "why": sentence(row, now, zone) if look.verdict.state != "ended" else _ended(row, now, zone),
        "last": ago_of(row["last_activity_at"], now, zone),
        "last_at": row["last_activity_at"],
        "since": moment(look.session.connected_at, now, zone, seconds=True),
        "since_at": row["connected_at"],
        "lasted": length(max(0, _end(look, now) - look.session.connected_at)),
        "worked": length(sum(span.lasted_ms for span in look.spans if span.state == "working")),
        "connected": look.verdict.connected,
        "clock": moment(now, now, zone, seconds=True),
    }


def _ended(row: dict[str, Any], now: Instant, zone: tzinfo) -> str:
    return f"{ago_of(row['ended_at'], now, zone)}: {END.get(row['end_reason'], row['end_reason'])}"


def _end(look: Look, now: Instant) -> Instant:
    return look.verdict.because.at if look.verdict.state == "ended" else now


def _over_time(look: Look, now: Instant, zone: tzinfo, limit: int | None) -> dict[str, Any]:
    spans = look.spans
    totals = {state: sum(s.lasted_ms for s in spans if s.state == state) for state in STATES if state != "ended"}
    return {
        "since": moment(spans[0].began, now, zone),
        "lane": lane(spans, zone),
        "totals": ", ".join(f"{state} {length(ms)}" for state, ms in totals.items() if ms >= 1_000),
        "rows": [_span(span, look, now, zone) for span in reversed(spans)][:limit],
        "count": len(spans),
        "is_cut": look.kept > len(look.events),
        "calls_alone": not look.events,
    }


def _span(span: Span, look: Look, now: Instant, zone: tzinfo) -> dict[str, Any]:
    row = as_row(look.session, look.verdict, now)
    return {
        "state": span.state,
        "at": rfc3339(span.began),
        "from": moment(span.began, now, zone),
        "for": length(span.lasted_ms),
        "why": why(span, row["end_reason"]),
    }


def _event(event: Event, now: Instant, zone: tzinfo) -> dict[str, str]:
    return {
        "at": rfc3339(event.at),
        "clock": exactly(event.at, now, zone),
        "kind": said(event),
        "tool": event.tool,
        "reason": event.reason,
    }


def _sub_agent(each: Any, now: Instant, zone: tzinfo) -> dict[str, Any]:
    ended = now if each.runs else each.ended
    return {
        "name": each.name or "Sub-agent",
        "state": "working" if each.runs else "ended",
        "at": rfc3339(each.started),
        "clock": moment(each.started, now, zone, seconds=True),
        "for": "" if ended is None else length(max(0, ended - each.started)),
    }


def _relative(request: Request, session: AgentSession, now: Instant, zone: tzinfo) -> dict[str, Any]:
    """A parent or a child, with the state that it is in."""
    room, identity = _history(request), request.app.state.identity
    now = max(now, session.registers.life)
    verdict = judge(session, now, room.sessions.registry.gaps)
    row = as_row(session, verdict, now)
    return {
        "id": session.id,
        "title": " · ".join(w for w in (identity.name_of(session.user_id), session.caller_role) if w),
        "client": client_name(session.caller_origin),
        "mark": mark_of(session.caller_origin),
        "machine": session.machine_id,
        "state": verdict.state,
        "why": sentence(row, now, zone),
    }
