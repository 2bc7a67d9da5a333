"""Everything of a project as one JSON document. It goes out as it is read, a portion at a time, and is never whole."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import onduty
from onduty.clock import Instant, rfc3339
from onduty.identity.service import Principal
from onduty.paging import PAGE, Asked
from onduty.projects.invitation_routes import invitation_row
from onduty.projects.people_routes import member_row
from onduty.projects.routes import project_row
from onduty.rooms import Rooms
from onduty.sessions.fold import Event
from onduty.sessions.model import AgentSession, judge, known
from onduty.sessions.rows import as_row, encode

SESSIONS_AT_ONCE: Final = 100
EVENTS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Export:
    """Reads all of a project for one of its owners; who is none any more meets Forbidden in the middle of it.

    It is not one moment: what changes while it is read stands there as it was or as it is.
    """

    rooms: Rooms
    principal: Principal
    project_id: str

    async def document(self, now: Instant) -> AsyncIterator[bytes]:
        """The document's bytes. Without its last brace it broke off."""
        yield encode(await self._head(now))[:-1] + b',"audit":['
        async for part in self._audit():
            yield part
        yield b'],"sessions":['
        async for part in self._sessions():
            yield part
        yield b"]}"

    async def _head(self, now: Instant) -> Mapping[str, Any]:
        rooms, caller, project_id = self.rooms, self.principal, self.project_id
        open_ones = await rooms.invitations.open(caller, project_id)
        return {
            "onduty": onduty.__version__,
            "exported_at": rfc3339(now),
            "project": project_row(rooms.projects.project(caller, project_id), "owner"),
            "members": [member_row(member) for member in rooms.members.all(caller, project_id)],
            "invitations": [invitation_row(each) for each in open_ones],
        }

    async def _audit(self) -> AsyncIterator[bytes]:
        room, cursor, comma = self.rooms.audit, None, b""
        while True:
            entries, cursor = await room.page(self.principal, self.project_id, Asked(limit=PAGE, cursor=cursor))
            yield comma + b",".join(encode(room.row(entry)) for entry in entries)
            if cursor is None:
                return
            comma = b","

    async def _sessions(self) -> AsyncIterator[bytes]:
        comma = b""
        async for session, aliases in self._each():
            now = self.rooms.clock.now()
            row = as_row(session, judge(session, now, self.rooms.registry.gaps), now)
            yield comma + encode({**row, "aliases": aliases})[:-1] + b',"events":['
            async for part in self._events(session.id):
                yield part
            yield b"]}"
            comma = b","

    async def _each(self) -> AsyncIterator[tuple[AgentSession, Sequence[str]]]:
        """Every session of which more than an end is known, as everywhere."""
        after = ""
        while True:
            self.rooms.projects.owned(self.principal, self.project_id)
            portion = await self.rooms.history.portion(self.project_id, after, SESSIONS_AT_ONCE)
            for session, aliases in portion:
                if known(session.registers):
                    yield session, aliases
            if len(portion) < SESSIONS_AT_ONCE:
                return
            after = portion[-1][0].id

    async def _events(self, session_id: str) -> AsyncIterator[bytes]:
        before, comma = None, b""
        while True:
            self.rooms.projects.owned(self.principal, self.project_id)
            events = await self.rooms.history.events_of(session_id, before, EVENTS_AT_ONCE)
            if events:
                yield comma + b",".join(encode(_event(event)) for event in events)
            if len(events) < EVENTS_AT_ONCE:
                return
            before, comma = (events[-1].at, events[-1].id), b","


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "kind": event.kind,
        "at": rfc3339(event.at),
        "stamp": event.stamp,
        "tool": event.tool or None,
        "tool_id": event.tool_id or None,
        "subagent": event.subagent or None,
        "reason": event.reason or None,
    }
