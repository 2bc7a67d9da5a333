"""What keeps memory and the database together: loading at start, writing behind, knowing when we listened, settling."""

import logging
from dataclasses import dataclass, replace
from typing import Final

from onduty.background import Wake
from onduty.clock import Clock, Instant
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Problem
from onduty.sessions import store
from onduty.sessions.fold import leave_future
from onduty.sessions.model import AgentSession, Gaps, State, judge, known
from onduty.sessions.registry import KEPT_MS, Registry

FLUSH_SECONDS: Final = 0.5
_LATE_MS: Final = 1_000
_TOLD_EVERY_MS: Final = 5_000
_SETTLE_SECONDS: Final = 60.0
_SETTLED_AT_ONCE: Final = 500

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Keeping:
    """`lag_ms` is how long the oldest unwritten activity has waited; over 5 s the server is not ready."""

    database: Database
    registry: Registry
    clock: Clock
    last_tick: Instant = 0
    told_until: Instant = 0
    dirty_since: Instant | None = None

    async def load(self) -> None:
        """Read the live sessions and the gaps; the time since the last run is one. Once, before the server answers."""

        def work(writer: Writer) -> tuple[list[AgentSession], Gaps]:
            until = store.listened_until(writer)
            gaps = Gaps.of(store.gaps(writer))
            if until is not None and writer.now - until > _LATE_MS:
                store.add_gap(writer, until, writer.now)
                gaps = gaps.with_span(until, writer.now)
            store.set_listened_until(writer, writer.now)
            return store.live(writer), gaps

        sessions, self.registry.gaps = await self.database.write(work)
        for session in sessions:
            self.registry.adopt(session)
        self.last_tick = self.told_until = self.clock.now()
        await self._leave_future(self.last_tick)

    async def run(self, wake: Wake) -> None:
        """The loop: twice a second it looks at the clock and writes what is unwritten, and a last time at the end."""
        self.last_tick = self.clock.now()
        while await wake.wait(FLUSH_SECONDS):
            await self._tick()
            await self._flush_or_wait()
        await self.flush()

    async def run_settling(self, wake: Wake) -> None:
        """The loop that lets sessions leave memory that were not heard of for 24 hours."""
        while await wake.wait(_SETTLE_SECONDS):
            try:
                while await self.settle(self.clock.now()):
                    pass
            except Problem as problem:
                _log.warning("sessions cannot settle: %s", problem.message)

    def lag_ms(self, now: Instant) -> int:
        return 0 if self.dirty_since is None else max(0, now - self.dirty_since)

    async def _flush_or_wait(self) -> None:
        try:
            await self.flush()
        except Problem as problem:
            # What could not be written is dirty still; the next round tries again.
            _log.warning("activity cannot be written: %s", problem.message)

    async def _tick(self) -> None:
        before, expected = self.clock.now(), self.last_tick + int(FLUSH_SECONDS * 1000)
        step = self.clock.adopt()
        now = self.clock.now()
        if before - expected > _LATE_MS:
            await self.missed(self.last_tick, before)
        if step > 0:
            # The time between was skipped, not listened to.
            await self.missed(before, now)
        elif step < 0:
            await self._leave_future(now)
        self.last_tick = now

    async def missed(self, began: Instant, ended: Instant) -> None:
        """The server did not listen from `began` to `ended`."""
        self.registry.gaps = self.registry.gaps.with_span(began, ended)
        for session in self.registry.sessions.values():
            self.registry.touch(session)
        try:
            await self.database.write(lambda writer: store.add_gap(writer, began, ended))
        except Problem as problem:
            _log.warning("a gap in listening cannot be written: %s", problem.message)

    async def _leave_future(self, now: Instant) -> None:
        self.registry.gaps = self.registry.gaps.before(now)
        changed = [s for s in self.registry.sessions.values() if leave_future(s.registers, now)]
        if not changed:
            return
        for session in self.registry.sessions.values():
            self.registry.touch(session)

        def work(writer: Writer) -> None:
            for session in changed:
                store.set_registers(writer, session.id, session.registers)

        try:
            await self.database.write(work)
        except Problem as problem:
            # Memory has left it; whoever starts with what is stored leaves it then.
            _log.warning("what left the future cannot be written: %s", problem.message)

    async def flush(self) -> None:
        """Write bare activity, and until when we listened. Unavailable if it cannot be; nothing is lost then."""
        now, dirty = self.clock.now(), self.registry.dirty
        # While it cannot be written, this is the write that finds out that it can be again.
        if not dirty and now - self.told_until < _TOLD_EVERY_MS and self.database.writable:
            self.dirty_since = None
            return
        self.dirty_since = self.dirty_since if self.dirty_since is not None else now
        sessions = [self.registry.sessions[i] for i in dirty if i in self.registry.sessions]
        activity = [(s.id, s.registers.life, s.registers.call) for s in sessions]
        self.registry.dirty = set()

        def work(writer: Writer) -> None:
            store.flush(writer, activity)
            store.set_listened_until(writer, now)

        try:
            await self.database.write(work)
        except BaseException:
            self.registry.dirty.update(i for i, _, _ in activity)
            raise
        self.dirty_since, self.told_until = None, now

    async def settle(self, now: Instant) -> int:
        """Let a few sessions leave memory that were not heard of for 24 hours and are lost or ended; how many."""
        leaving = [s for s in self.registry.sessions.values() if self._may_leave(s, now)][:_SETTLED_AT_ONCE]
        if not leaving:
            return 0
        seen = {s.id: _heard(s) for s in leaving}
        rows = [(replace(s, registers=replace(s.registers)), self._settled_state(s, now)) for s in leaving]
        await self.database.write(lambda writer: store.settle(writer, rows))
        for session in leaving:
            # One that was heard of meanwhile is live again: whatever it said writes that, too.
            if _heard(session) == seen[session.id] and session.id not in self.registry.dirty:
                self.registry.drop(session)
        return len(leaving)

    def _may_leave(self, session: AgentSession, now: Instant) -> bool:
        if now - _heard(session) <= KEPT_MS or session.id in self.registry.dirty or session.lease_until > now:
            return False
        return self._settled_state(session, now) in ("lost", "ended")

    def _settled_state(self, session: AgentSession, now: Instant) -> State:
        # One of which only ends are known is not shown, and no more than its end is to be kept of it.
        return judge(session, now, self.registry.gaps).state if known(session.registers) else "ended"


def _heard(session: AgentSession) -> Instant:
    """When anything was last heard of the session, its ends included."""
    registers = session.registers
    return max(registers.life, registers.end_s.at, registers.end_c.at, session.connected_at)
