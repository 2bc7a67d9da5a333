"""What is read of many sessions at once: lists of a project or of one's own, from memory and what has settled."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from onduty.cleaning import for_agents
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Reader
from onduty.identity.service import Principal
from onduty.projects.service import Projects
from onduty.sessions import store
from onduty.sessions.listing import PAGE, ActiveView, Listing, Query, matching, page
from onduty.sessions.model import DAY_MS, ON_DUTY, AgentSession, State, judge
from onduty.sessions.registry import Registry
from onduty.sessions.service import Sessions

ROLES_COUNTED: Final = 8
_SETTLED_STATES: Final[frozenset[State]] = frozenset({"lost", "ended"})


@dataclass(slots=True)
class Reading:
    database: Database
    registry: Registry
    projects: Projects
    sessions: Sessions
    views: dict[str | None, ActiveView] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registry.on_touch.append(self._touched)

    def _touched(self, session: AgentSession) -> None:
        if view := self.views.get(session.project_id):
            view.touch(session)

    def active(self, project_id: str, now: Instant) -> Listing:
        """A project's active sessions, whole; who may see them is decided already. Touches no database."""
        view = self.views.get(project_id)
        if view is None:
            view = self.views[project_id] = ActiveView(self.registry)
            view.touched.update(session.id for session in self.registry.of_project(project_id))
        return view.at(now)

    def forget_project(self, project_id: str) -> None:
        """A project is gone, and with it what is kept of its list."""
        self.views.pop(project_id, None)

    async def list(self, principal: Principal, query: Query, now: Instant) -> Listing:
        """A page of a project's sessions, or of the caller's own where the query names none. Forbidden if not seen."""
        if query.project_id is not None:
            self.projects.role(principal, query.project_id)
        if query.project_id is not None and query.active and query.whole:
            return self.active(query.project_id, now)
        found = matching(self._in_memory(principal, query), query, self.registry, now)
        if not query.active:
            found += await self._settled(principal, query, now)
        return page(found, query, self.registry, now)

    async def past_time(self, principal: Principal, project_id: str, days: int, now: Instant) -> int:
        """How many of a project's sessions would go if it kept so many days. Forbidden for all but owners."""
        self.projects.owned(principal, project_id)
        before = now - days * DAY_MS
        return await self.database.read(lambda reader: store.count_settled_before(reader, project_id, before))

    def _in_memory(self, principal: Principal, query: Query) -> Iterable[AgentSession]:
        if query.project_id is not None:
            return self.registry.of_project(query.project_id)
        own = (s for s in self.registry.sessions.values() if s.user_id == principal.user_id)
        return (s for s in own if self.sessions.sees(principal, s))

    async def _settled(self, principal: Principal, query: Query, now: Instant) -> Sequence[AgentSession]:
        """Settled sessions for one page; what came back to memory since then is left to memory."""
        states = _SETTLED_STATES & (query.states if query.states is not None else _SETTLED_STATES)
        if not states or query.limit is None:
            return []
        known, after = set(self.registry.sessions), query.after
        found: list[AgentSession] = []
        while len(found) <= query.limit:
            rows = await self.database.read(self._settled_rows(principal, query, states, after))
            found += [s for s in rows if s.id not in known and self.sessions.sees(principal, s)]
            if len(rows) <= query.limit:
                break
            after = (rows[-1].registers.life, rows[-1].id)
        return found

    def _settled_rows(
        self, principal: Principal, query: Query, states: frozenset[State], after: tuple[Instant, str] | None
    ) -> Callable[[Reader], Sequence[AgentSession]]:
        user_id = principal.user_id if query.project_id is None else None
        limit = (query.limit or PAGE) + 1
        return lambda reader: store.settled_page(
            reader, project_id=query.project_id, user_id=user_id, states=states, after=after, limit=limit
        )


def counts(registry: Registry, project_id: str, now: Instant) -> dict[str, Any]:
    """How many are on duty in a project and how many of them wait, and in which roles: closed vocabulary alone."""
    judged = [(s, judge(s, now, registry.gaps)) for s in registry.of_project(project_id)]
    found = [(s, v) for s, v in judged if v.state in ON_DUTY and registry.shown(s, now)[0]]
    roles = Counter("none" if s.caller_role is None else for_agents(s.caller_role) for s, _ in found)
    return {
        "agents": len(found),
        "waiting": sum(verdict.state == "waiting" for _, verdict in found),
        "roles": dict(roles.most_common(ROLES_COUNTED)),
    }
