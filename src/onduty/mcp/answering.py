"""What a tool answers: closed vocabulary, ids, counts, times; free text of others in `said` alone (design.md 2.5)."""

from collections import Counter
from typing import Any, Final

from onduty.cleaning import for_agents
from onduty.clock import Instant, rfc3339
from onduty.mcp.arriving import Arriving, Call
from onduty.sessions.service import ON_DUTY, AgentSession, Registry, Verdict, judge

LISTED: Final = 16
_FIRST: Final = ("waiting", "working", "quiet", "idle")


def shown_session(call: Call, session: AgentSession | None, arriving: Arriving) -> dict[str, Any]:
    """The caller's own session, or without one the place where it would be."""
    if session is None:
        project_id = arriving.claim(call).project_id
        return {
            "session_id": None,
            "project_id": project_id,
            "machine_id": call.machine_id,
            "user_id": call.principal.user_id,
            "state": None,
        }
    return {
        "session_id": session.id,
        "project_id": session.project_id,
        "machine_id": session.machine_id,
        "user_id": session.user_id,
        "state": judge(session, max(call.now, session.registers.life), arriving.sessions.registry.gaps).state,
    }


def on_duty(registry: Registry, project_id: str, now: Instant, own_id: str | None) -> dict[str, Any]:
    """Who is on duty in a project: those who wait first, and not more than fit into an ordinary answer."""
    judged = [(s, judge(s, now, registry.gaps)) for s in registry.of_project(project_id)]
    found = [(s, v) for s, v in judged if v.state in ON_DUTY and registry.shown(s, now)[0]]
    found.sort(key=lambda pair: (_FIRST.index(pair[1].state), pair[0].connected_at, pair[0].id))
    roles = Counter(_word(session.caller_role) or "none" for session, _ in found)
    return {
        "project_id": project_id,
        "on_duty": len(found),
        "waiting": sum(verdict.state == "waiting" for _, verdict in found),
        "roles": dict(roles.most_common(LISTED)),
        "agents": [_agent(session, verdict, now, own_id) for session, verdict in found[:LISTED]],
        "not_listed": max(0, len(found) - LISTED),
    }


def _agent(session: AgentSession, verdict: Verdict, now: Instant, own_id: str | None) -> dict[str, Any]:
    waits_for = verdict.because.waits_for
    return {
        "session_id": session.id,
        "state": verdict.state,
        "caller_role": _word(session.caller_role),
        "caller_origin": _word(session.caller_origin),
        "machine_id": _word(session.machine_id.lower()),
        "user_id": session.user_id,
        "connected_at": rfc3339(session.connected_at),
        "last_activity_at": rfc3339(min(session.registers.life, now)),
        "waits_for": None if waits_for is None else _word(waits_for.lower()),
        "said": session.said,
        "is_you": session.id == own_id,
    }


def _word(value: str | None) -> str | None:
    return None if value is None else for_agents(value)
