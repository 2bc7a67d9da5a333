"""SQL about what happened in a session: its events, one row each, and the sessions that it started."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, and_, delete, func, insert, or_, select, tuple_

from onduty.clock import Instant
from onduty.database.transaction import Reader, Writer
from onduty.sessions.fold import Event
from onduty.sessions.tables import agent_events, agent_sessions

_IDS_AT_ONCE: Final = 500


def known_events(reader: Reader, session_id: str, event_ids: Sequence[str]) -> set[str]:
    """Which of these events of the session are stored already."""
    e = agent_events.c
    known: set[str] = set()
    for start in range(0, len(event_ids), _IDS_AT_ONCE):
        part = event_ids[start : start + _IDS_AT_ONCE]
        known |= set(
            reader.connection.execute(
                select(e.event_id).where(e.session_id == session_id, e.event_id.in_(part))
            ).scalars()
        )
    return known


def add_events(writer: Writer, session_id: str, events: Sequence[Event], received_day: int) -> None:
    if not events:
        return
    rows = [
        {
            "session_id": session_id,
            "event_id": event.id,
            "kind": event.kind,
            "stamp": event.stamp,
            "at": event.at,
            "tool": event.tool or None,
            "tool_id": event.tool_id or None,
            "subagent": event.subagent or None,
            "reason": event.reason[:16] or None,
            "received_day": received_day,
        }
        for event in events
    ]
    writer.connection.execute(insert(agent_events), rows)


def remove_events(writer: Writer, ids: Sequence[str], limit: int) -> int:
    """Remove so many events of these sessions; how many that were."""
    e = agent_events.c
    some = select(e.session_id, e.event_id).where(e.session_id.in_(ids)).limit(limit)
    return writer.connection.execute(delete(agent_events).where(tuple_(e.session_id, e.event_id).in_(some))).rowcount


def newest(reader: Reader, session_id: str, limit: int, before: tuple[Instant, str] | None = None) -> list[Event]:
    """So many events of a session, the newest first: those after it where one is named by its instant and id."""
    e = agent_events.c
    query = _EVENTS.where(e.session_id == session_id)
    if before is not None:
        at, event_id = before
        query = query.where(or_(e.at < at, and_(e.at == at, e.event_id < event_id)))
    return [
        _event(row) for row in reader.connection.execute(query.order_by(e.at.desc(), e.event_id.desc()).limit(limit))
    ]


def count(reader: Reader, session_id: str) -> int:
    """How many events of the session are kept."""
    query = select(func.count()).select_from(agent_events).where(agent_events.c.session_id == session_id)
    return int(reader.connection.execute(query).scalar_one())


def children(reader: Reader, session_id: str, limit: int) -> list[str]:
    """Ids of sessions that this one started, the oldest first."""
    s = agent_sessions.c
    query = select(s.id).where(s.parent_session_id == session_id).order_by(s.connected_at, s.id).limit(limit)
    return list(reader.connection.execute(query).scalars())


_KEPT: Final = ("event_id", "kind", "stamp", "at", "tool", "tool_id", "subagent", "reason")
_EVENTS: Final[Select[Any]] = select(*(agent_events.c[name] for name in _KEPT))


def _event(row: Row[Any]) -> Event:
    words = (row.tool or "", row.tool_id or "", row.subagent or "", row.reason or "")
    return Event(row.event_id, row.kind, row.stamp, row.at, *words)
