"""A session as it is answered: the contract's fields first, then what we add."""

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from onduty.clock import Instant
from onduty.clock import rfc3339 as rfc3339_of
from onduty.sessions.model import AgentSession, Because, Verdict, end_of

_ENCODER = msgspec.json.Encoder()

# A row says the same instants again and again: when it connected, and what it last did in two places.
rfc3339 = lru_cache(maxsize=16_384)(rfc3339_of)


class Rendered(NamedTuple):
    """One row as bytes. It reads so until `until` unless something is said of the session; `place` orders it."""

    place: tuple[int, str]
    row: bytes
    digest: bytes
    until: Instant | None


def because(reason: Because) -> dict[str, str]:
    """The reason for a state: facts with instants, absent ones absent."""
    answer: dict[str, str] = {"signal": reason.signal, "at": rfc3339(reason.at)}
    if reason.tool is not None:
        answer["tool"] = reason.tool
    if reason.tool_since is not None:
        answer["tool_since"] = rfc3339(reason.tool_since)
    if reason.waits_for is not None:
        answer["waits_for"] = reason.waits_for
    if reason.question is not None:
        answer["question"] = reason.question
    if reason.silent_since is not None:
        answer["silent_since"] = rfc3339(reason.silent_since)
    return answer


def as_row(session: AgentSession, verdict: Verdict, now: Instant) -> dict[str, Any]:
    """The row that every list and answer shows. What lies in the future is shown as now."""
    end = end_of(session.registers)
    return {
        "session_id": session.id,
        "machine_id": session.machine_id,
        "user_id": session.user_id,
        "project_id": session.project_id,
        "caller_role": session.caller_role,
        "caller_origin": session.caller_origin,
        "connected_at": rfc3339(session.connected_at),
        "last_activity_at": rfc3339(min(session.registers.life, now)),
        "state": verdict.state,
        "because": because(verdict.because),
        "connected": verdict.connected,
        "client_version": session.client_version,
        "branch": session.branch,
        "folder": session.folder,
        "said": session.said,
        "ticket": session.ticket,
        "parent_session_id": session.parent_session_id,
        "ended_at": None if end is None else rfc3339(end.at),
        "end_reason": None if end is None else end.reason,
    }


def encode(value: object) -> bytes:
    """JSON as every answer of ours is written."""
    return _ENCODER.encode(value)
