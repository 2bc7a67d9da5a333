"""One figure beside its baseline and its goal."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Goal:
    """What is to be reached, in words, and whether it is. `met` None: nothing is asked."""

    words: str
    met: bool | None


NO_GOAL = Goal("", None)


@dataclass(frozen=True)
class Figure:
    """`ours` and `baseline` in `unit`. `more` are further measurements of the same run, by what they are."""

    row: str
    what: str
    unit: str
    ours: float
    baseline: float
    baseline_is: str
    goal: Goal = NO_GOAL
    more: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.ours / self.baseline if self.baseline else 0.0


def at_least(ratio: float, ours: float, baseline: float) -> Goal:
    return Goal(f"≥ {ratio:g} x", ours >= ratio * baseline)


def at_most(ratio: float, ours: float, baseline: float) -> Goal:
    return Goal(f"≤ {ratio:g} x", ours <= ratio * baseline)


def below(limit: float, unit: str, ours: float) -> Goal:
    return Goal(f"< {limit:g} {unit}", ours < limit)


def alternated(rounds: int, ours: Callable[[], T], baseline: Callable[[], T]) -> tuple[list[T], list[T]]:
    """A B B A A B …: both see the same machine, and neither is always first. One more before them does not count."""
    if rounds > 1:
        ours()
        baseline()
    found: tuple[list[T], list[T]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            found[which].append((ours, baseline)[which]())
    return found


def median(of: Sequence[T], value: Callable[[T], float]) -> float:
    return statistics.median(value(each) for each in of)


def p95(values: Sequence[float]) -> float:
    """The value that 95 in 100 do not exceed."""
    return sorted(values)[round((len(values) - 1) * 0.95)]
