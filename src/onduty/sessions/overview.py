"""How it stands in each of somebody's projects: who is on duty, who waits, who spoke last. Touches no database."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from onduty.clock import Instant
from onduty.projects.service import Project, Role
from onduty.sessions.model import ON_DUTY, AgentSession, State, judge
from onduty.sessions.registry import Registry

# So many glyphs stand beside one another on the narrowest screen.
STRIP: Final = 18
_ORDER: Final[tuple[State, ...]] = ("waiting", "working", "idle", "quiet", "lost")


@dataclass(frozen=True, slots=True)
class Standing:
    """A project as its row says it. `states` has a word for each agent on duty and each lost one, waits first."""

    project: Project
    role: Role
    states: Sequence[State]
    waits_of_mine: int
    people: Sequence[str]
    machines: Sequence[str]
    last: AgentSession | None

    @property
    def on_duty(self) -> int:
        return sum(state in ON_DUTY for state in self.states)

    @property
    def waiting(self) -> int:
        return self.states.count("waiting")

    def matches(self, words: str) -> bool:
        """Whether the name of the project, or of somebody or a machine there, has all of these words in it."""
        text = " ".join((self.project.name, *self.people, *self.machines)).casefold()
        return all(word in text for word in words.casefold().split())


def standing(
    project: Project, role: Role, registry: Registry, now: Instant, user_id: str, name_of: Callable[[str], str]
) -> Standing:
    """How it stands in one project. What left memory, after 24 hours of silence, is not seen here."""
    known = [(s, judge(s, now, registry.gaps)) for s in registry.of_project(project.id) if registry.shown(s, now)[0]]
    there = [(s, verdict.state) for s, verdict in known if verdict.state in _ORDER]
    on_duty = [s for s, state in there if state in ON_DUTY]
    return Standing(
        project=project,
        role=role,
        states=sorted((state for _, state in there), key=_ORDER.index),
        waits_of_mine=sum(state == "waiting" and s.user_id == user_id for s, state in there),
        people=_names(name_of(s.user_id) for s in on_duty),
        machines=_names(s.machine_id for s in on_duty),
        last=max((s for s, _ in known), key=lambda s: (s.registers.life, s.id), default=None),
    )


def _names(names: Iterable[str]) -> list[str]:
    return sorted(set(names), key=lambda name: (name.casefold(), name))


def in_order(standings: Iterable[Standing]) -> list[Standing]:
    """Where an agent of one's own waits first, then where any waits, then where any is; among equals as they came."""
    return sorted(standings, key=lambda s: (not s.waits_of_mine, not s.waiting, not s.on_duty))
