"""What a session was, from its first sign of life on: its states over time, and its sub-agents. Pure.

An event counts from its own instant on, whenever it came: what a spool told late is what was so then. Of what is made
at the server (a register, a call, an end, a presence stream) only the last of each is kept, and known here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from onduty.clock import Instant
from onduty.sessions.fold import Event, Registers, fold, join, subagent_key, tool_key
from onduty.sessions.model import NO_GAPS, AgentSession, Because, Gaps, State, Verdict, is_open, judge, known

# Who has more tools open at once does not tell their ends. The oldest of them are left out of the past.
_OPEN_AT_ONCE: Final = 50
_BARRIERS: Final = frozenset({"start", "prompt", "turn_ended", "end"})


@dataclass(slots=True)
class Span:
    """How long a session was in a state. `because` is the last reason for it, `calls` how many tools started in it."""

    state: State
    because: Because
    began: Instant
    ended: Instant
    calls: int = 0

    @property
    def lasted_ms(self) -> int:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class SubAgent:
    """A sub-agent of the session's client. `ended` is None while it runs, and where nothing told of its end."""

    name: str
    started: Instant
    ended: Instant | None
    runs: bool


def states_over_time(
    session: AgentSession, events: Iterable[Event], until: Instant, gaps: Gaps = NO_GAPS
) -> list[Span]:
    """The states that the session was in, one after the other, the last as it is read at `until`.

    A session that calls alone tell of begins with the last call: of those before it nothing is kept.
    """
    past = _Past(session)
    told = sorted((e for e in events if e.at <= until), key=lambda event: (event.at, event.stamp, event.id))
    steps: list[tuple[Instant, Event | Registers]] = [(event.at, event) for event in told]
    steps += [(at, words) for at, words in _server_words(session.registers, told) if at <= until]
    steps.sort(key=lambda step: step[0])
    spans: list[Span] = []
    for number, (at, what) in enumerate(steps):
        past.tell(what)
        later = steps[number + 1][0] if number + 1 < len(steps) else until
        if later > at:
            past.pass_time(spans, at, later, gaps)
    past.add(spans, judge(session, until, gaps), until, until)
    return spans


def _server_words(registers: Registers, told: Sequence[Event]) -> Iterable[tuple[Instant, Registers]]:
    """What is kept of what was made at the server, each from its instant on."""
    life, call, reopened, end = registers.life, registers.call, registers.reopen_s, registers.end_s
    if reopened and told:
        yield reopened, Registers(life=min(reopened, life), call=min(reopened, call), reopen_s=reopened)
    if call:
        yield call, Registers(life=call, call=call, reopen_s=reopened if reopened <= call else 0)
    if end.at:
        yield end.at, Registers(end_s=end)
    if life:
        yield life, Registers(life=life)


class _Past:
    """The session as it was, told of itself step by step. Tools that are closed are set aside, or each step would
    look through all that there ever were; one comes back as soon as it is named again."""

    def __init__(self, session: AgentSession) -> None:
        self.real = session
        self.session = replace(session, registers=Registers(), lease_since=0, lease_until=0)
        self.closed = Registers().tools
        self.calls = 0

    def tell(self, what: Event | Registers) -> None:
        registers = self.session.registers
        if isinstance(what, Registers):
            join(registers, what)
            return
        named = {tool_key(what.tool_id, what.tool), tool_key(what.tool_id, ""), subagent_key(what.subagent)}
        for key in named & self.closed.keys():
            registers.tools[key] = self.closed.pop(key)
        fold(registers, what)
        self.calls += what.kind == "tool_started" and not what.subagent
        for key in list(registers.tools) if what.kind in _BARRIERS else named & registers.tools.keys():
            if not is_open(registers, key, registers.tools[key]) and key != registers.wait.tool_id:
                self.closed[key] = registers.tools.pop(key)
        if len(registers.tools) > _OPEN_AT_ONCE:
            oldest = min(registers.tools, key=lambda key: registers.tools[key].started)
            self.closed[oldest] = registers.tools.pop(oldest)

    def pass_time(self, spans: list[Span], at: Instant, until: Instant, gaps: Gaps) -> None:
        """Nothing is said until then; what time alone changes is."""
        while at < until and known(self.session.registers):
            self._lease(at)
            verdict = judge(self.session, at, gaps)
            changes = [c for c in (verdict.changes_at, self._lease_begins(at)) if c is not None]
            later = min(until, *changes) if changes else until
            self.add(spans, verdict, at, later)
            at = later

    def _lease(self, at: Instant) -> None:
        if at >= self.real.lease_since:
            self.session.lease_since, self.session.lease_until = self.real.lease_since, self.real.lease_until

    def _lease_begins(self, at: Instant) -> Instant | None:
        return self.real.lease_since if self.real.lease_since > at else None

    def add(self, spans: list[Span], verdict: Verdict, began: Instant, ended: Instant) -> None:
        if not spans or spans[-1].state != verdict.state:
            spans.append(Span(verdict.state, verdict.because, began, ended))
        last = spans[-1]
        last.because, last.ended = verdict.because, ended
        last.calls += self.calls
        self.calls = 0


def sub_agents(registers: Registers, events: Iterable[Event]) -> list[SubAgent]:
    """The sub-agents that these events tell of, the newest first."""
    started: dict[str, Event] = {}
    ended: dict[str, Instant] = {}
    for event in sorted(events, key=lambda event: (event.stamp, event.id)):
        if event.kind == "subagent_started":
            started[event.subagent] = event
            ended.pop(event.subagent, None)
        elif event.kind == "subagent_ended":
            ended[event.subagent] = event.at
    found = []
    for name, event in started.items():
        tool = registers.tools.get(subagent_key(name))
        runs = tool is not None and is_open(registers, subagent_key(name), tool)
        found.append(SubAgent(event.tool, event.at, None if runs else ended.get(name), runs))
    return sorted(found, key=lambda each: each.started, reverse=True)
