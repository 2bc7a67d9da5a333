"""What is kept for how long: sessions of which nothing was heard for their project's days go, with all of theirs."""

import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from onduty.audit.service import About, record
from onduty.background import Wake
from onduty.clock import Clock, Instant
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Problem
from onduty.projects.service import Projects
from onduty.sessions import store
from onduty.sessions.history import store as history
from onduty.sessions.model import DAY_MS, Gaps
from onduty.sessions.registry import Registry

# So few that other writers hardly notice.
SESSIONS_AT_ONCE: Final = 50
EVENTS_AT_ONCE: Final = 2_000
_FIRST_SECONDS: Final = 120.0
_AGAIN_SECONDS: Final = 3_600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Removed:
    """What one unit took away: sessions by id, and so many events of such that are still to go."""

    session_ids: Collection[str] = ()
    events: int = 0


@dataclass(slots=True)
class Retention:
    """Removes what has settled: who is in memory is alive, connected or was heard of a day ago, and stays.

    `on_removal` is told of the sessions that are gone from the disk, so that memory follows.
    """

    database: Database
    registry: Registry
    projects: Projects
    clock: Clock
    on_removal: list[Callable[[Collection[str]], None]] = field(default_factory=list)

    async def run(self, wake: Wake) -> None:
        """The loop, every hour. What cannot be removed now is removed later."""
        due = _FIRST_SECONDS
        while await wake.wait(due):
            due = _AGAIN_SECONDS
            try:
                gone = await self.remove_old(wake)
            except Problem as problem:
                _log.warning("what is past its time cannot be removed: %s", problem.message)
            else:
                if gone:
                    _log.info("%d agent sessions were past their time and are removed", gone)

    async def remove_old(self, wake: Wake | None = None) -> int:
        """Remove what is past its time, with others' writes in between; how many sessions that were."""
        now = self.clock.now()
        gone = 0
        while wake is None or not wake.stopping:
            removed = await self.database.write(lambda writer: self._remove_some(writer, now))
            if not removed.session_ids and not removed.events:
                break
            gone += len(removed.session_ids)
            self._follow(removed.session_ids)
        await self._forget_gaps(now - self.projects.longest_retention_days() * DAY_MS)
        return gone

    def _remove_some(self, writer: Writer, now: Instant) -> Removed:
        def before(project_id: str | None) -> Instant:
            return now - self.projects.retention_days(project_id) * DAY_MS

        found = store.settled_before(writer, before, SESSIONS_AT_ONCE, keep=set(self.registry.sessions))
        ids = [session_id for session_id, _ in found]
        if (events := history.remove_events(writer, ids, EVENTS_AT_ONCE)) == EVENTS_AT_ONCE:
            return Removed((), events)
        store.remove(writer, ids)
        for project_id, many in Counter(project_id for _, project_id in found).items():
            if project_id is not None:
                record(writer, [project_id], "sessions_removed", None, About(name=str(many)))
        return Removed(ids)

    def _follow(self, ids: Collection[str]) -> None:
        for session_id in ids:
            # One that came back in the very moment of its removal.
            if session := self.registry.sessions.get(session_id):
                self.registry.drop(session)
        for listener in self.on_removal:
            listener(ids)

    async def _forget_gaps(self, before: Instant) -> None:
        """Gaps in listening that are older than any session that is kept for what was heard of it."""
        kept = tuple(span for span in self.registry.gaps.spans if span[1] >= before)
        await self.database.write(lambda writer: store.remove_gaps(writer, before))
        if len(kept) < len(self.registry.gaps.spans):
            self.registry.gaps = Gaps(kept)
            for session in self.registry.sessions.values():
                self.registry.touch(session)
