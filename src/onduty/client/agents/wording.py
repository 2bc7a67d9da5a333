"""What an agent is told as it starts: closed vocabulary, ids and counts; never another's words (design.md 2.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ROLES_NAMED = 8
_WORD = re.compile(r"[a-z0-9_.-]{1,32}")
_ID = re.compile(r"[0-9a-f-]{36}")


def context(session: str, on_duty: object) -> str:
    """At most some 150 tokens: its session, who else is on duty in which roles, how to say what it does."""
    if not _ID.fullmatch(session):
        return ""
    lines = [f"Onduty: your session is {session}."]
    if isinstance(on_duty, Mapping):
        lines.append(_counts(on_duty))
    lines.append(
        "Tell what you are doing with the onduty tool set_status (said: one line; caller_role; ticket; branch). "
        "who_is_on_duty lists the agents on this project."
    )
    return " ".join(line for line in lines if line)


def _counts(on_duty: Mapping[str, Any]) -> str:
    agents, waiting = on_duty.get("agents"), on_duty.get("waiting")
    if not isinstance(agents, int):
        return ""
    roles = on_duty.get("roles")
    named = [
        f"{role} {count}"
        for role, count in (roles.items() if isinstance(roles, Mapping) else ())
        if isinstance(count, int) and isinstance(role, str) and _WORD.fullmatch(role)
    ]
    counted = f" ({', '.join(named[:_ROLES_NAMED])})" if named else ""
    waits = f", {waiting} waiting for a person" if isinstance(waiting, int) and waiting else ""
    return f"On duty on this project, you included: {agents}{counted}{waits}."
