"""Questions to the person at the terminal; without one nothing is ever asked."""

from __future__ import annotations

import sys

_answers: dict[str, str] = {}


def is_person() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, default: str = "") -> str:
    """A line of answer, the default where it is empty or nobody is there. Nothing is asked twice in a run."""
    if not is_person():
        return default
    if question not in _answers:
        _answers[question] = _asked(question, default)
    return _answers[question]


def _asked(question: str, default: str) -> str:
    print(f"{question} [{default}] " if default else f"{question} ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or default


def say(text: str) -> None:
    """A message for a person."""
    print(text, file=sys.stderr, flush=True)
