"""What the demonstration's agents go on to do: they work, wait, are answered, go quiet, end, and others start."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from onduty.background import Wake
from onduty.cli.demo_past import Cast, batch
from onduty.cli.demo_scene import AGENTS, COMMANDS, Agent, Moment
from onduty.clock import Instant
from onduty.rooms import Rooms

_TICK_SECONDS: Final = 0.5
_TOOLS: Final = ("Read", "Edit", "Bash", "Grep", "Write", "WebFetch")
# For how many seconds an agent stays as it is, at least and at most.
_LASTS: Final = {
    "working": (2, 9),
    "waiting": (15, 70),
    "idle": (10, 60),
    "quiet": (330, 420),
    "lost": (10**9, 10**9),
    "ended": (20, 60),
}


@dataclass(slots=True)
class _Actor:
    agent: Agent
    state: str
    until: Instant
    told: int = 1_000_000
    tool: tuple[str, str] | None = None


@dataclass(slots=True)
class Play:
    """Moves the agents on. `run` is the server's loop that does it."""

    rooms: Rooms
    cast: Cast
    random: Random
    actors: list[_Actor] = field(default_factory=list)

    async def run(self, wake: Wake) -> None:
        now = self.rooms.clock.now()
        self.actors = [self._actor(agent, now) for agent in AGENTS]
        while await wake.wait(_TICK_SECONDS):
            now = self.rooms.clock.now()
            for actor in self.actors:
                if now >= actor.until:
                    await self._go_on(actor, now)

    def _actor(self, agent: Agent, now: Instant) -> _Actor:
        """The agent as its past left it; not all go on at once."""
        soon = 20_000 if agent.state == "working" else 90_000
        until = self._until("lost", now) if agent.state == "lost" else now + self.random.randint(500, soon)
        tool = (agent.tool, "now") if agent.state in ("working", "waiting") and agent.tool else None
        return _Actor(agent, agent.state, until, tool=tool)

    def _until(self, state: str, now: Instant) -> Instant:
        least, most = _LASTS[state]
        return now + self.random.randint(least, most) * 1_000

    async def _go_on(self, actor: _Actor, now: Instant) -> None:
        told, actor.state = self._next(actor, now)
        actor.until = self._until(actor.state, now)
        if told:
            await self.rooms.events.record(
                self.cast.of(actor.agent), batch(actor.agent, self.cast, told, actor.told, now)
            )
            actor.told += len(told)

    def _next(self, actor: _Actor, now: Instant) -> tuple[list[Moment], str]:
        """What the agent tells next, and what it is then."""
        chance = self.random.random()
        if actor.state == "ended":
            # Another session of the same person, in the same place.
            actor.agent = replace(actor.agent, since=actor.agent.since + 10_000)
            return [Moment("start", now, reason="startup"), Moment("prompt", now)], "working"
        if actor.state in ("idle", "quiet", "lost"):
            return [Moment("prompt", now)], "working"
        if actor.tool is not None:
            return self._tool_ends(actor, now)
        if chance < 0.07:
            return [Moment("turn_ended", now)], "idle"
        if chance < 0.08:
            return [Moment("turn_ended", now), Moment("end", now, reason="exit")], "ended"
        if chance < 0.085:
            return [Moment("activity", now)], "quiet"
        return self._tool_starts(actor, now)

    def _tool_starts(self, actor: _Actor, now: Instant) -> tuple[list[Moment], str]:
        actor.tool = (self.random.choice(_TOOLS), f"{actor.told}")
        told = [Moment("tool_started", now, *actor.tool)]
        waiting = sum(other.state == "waiting" for other in self.actors)
        if actor.tool[0] == "Bash" and waiting < 3 and self.random.random() < 0.12:
            return [*told, Moment("waiting", now, *actor.tool, question=self.random.choice(COMMANDS))], "waiting"
        return told, "working"

    def _tool_ends(self, actor: _Actor, now: Instant) -> tuple[list[Moment], str]:
        assert actor.tool is not None
        told, actor.tool = [Moment("tool_ended", now, *actor.tool)], None
        return told, "working"
