"""Questions to the person at the terminal; without one nothing is ever asked."""

from __future__ import annotations

import sys


def is_person() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, default: str = "") -> str:
    """A line of answer, the default where it is empty or nobody is there."""
    if not is_person():
        return default
    print(f"{question} [{default}] " if default else f"{question} ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or default


def say(text: str) -> None:
    """A message for a person."""
    print(text, file=sys.stderr, flush=True)
