"""The proof of a connection: one round trip through the real hook program, as the agent client would run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onduty.client import connections, locked, place, state
from onduty.client.api import NotReached, Refused, Server
from onduty.client.connect import agent

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SECONDS = 5.0
# What a client gives its hooks of our environment; the proof must not hang on more.
_GIVEN = ("HOME", "PATH", "LANG", "TERM", "USERPROFILE", "SYSTEMROOT", "APPDATA", "LOCALAPPDATA")


@dataclass(frozen=True)
class Proof:
    """What came of it: `row` as the server shows it, `ms` that the hook program took; or what is `wrong`."""

    row: Mapping[str, Any] | None = None
    ms: int = 0
    wrong: str = ""


def prove(name: str, environment: Mapping[str, str] = os.environ) -> Proof:
    """Start a session through the client's own hook line, look for its row, and end it."""
    module = agent(name)
    connection = connections.read(place.folder(environment)).get(name)
    if not isinstance(connection, dict):
        return Proof(wrong=f"{module.TITLE} is not connected")
    if wrong := module.distrust(environment):
        return Proof(wrong=wrong)
    # Always the same, so that however often it is proven there is one row of it.
    _hear_again(environment, str(connection.get("origin")))
    session = f"onduty-proof-{name}"
    opening, closing = module.PROOF
    said, ms = _run(module, opening, session, environment)
    found = _ID.search(said)
    if found is None:
        return Proof(wrong=_why(module, connection, environment, said))
    try:
        row = Server(connection["origin"], connection["token"]).get("api", "agent-sessions", found.group()).body
    except (NotReached, Refused) as error:
        return Proof(wrong=str(error))
    finally:
        _run(module, closing, session, environment)
    return Proof(row, ms)


def _hear_again(environment: Mapping[str, str], origin: str) -> None:
    """A server that let hooks wait in vain is asked again, for now somebody wants to know."""
    try:
        with state.State(place.folder(environment)) as kept:
            kept.answers(origin)
    except (locked.Busy, OSError):
        pass


def _run(module: Any, event: str, session: str, environment: Mapping[str, str]) -> tuple[str, int]:
    """What the hook says on stdout, and how many milliseconds it took."""
    command = module.hook_command(environment, event)
    if command is None:
        return "", 0
    given = {key: environment[key] for key in _GIVEN if key in environment}
    began = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S602 - as the client runs it
            command,
            shell=True,
            env=given,
            input=json.dumps(module.proof(event, session, os.getcwd())),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error), 0
    return done.stdout or done.stderr, round((time.monotonic() - began) * 1000)


def _why(module: Any, connection: Mapping[str, Any], environment: Mapping[str, str], said: str) -> str:
    if module.hook_command(environment, module.PROOF[0]) is None:
        return f"the hooks of {module.TITLE} are not there"
    try:
        Server(str(connection.get("origin")), str(connection.get("token"))).get("api", "me")
    except (NotReached, Refused) as error:
        return str(error)
    return f"the hook program did not bring its event through: {said.strip()[:200] or 'it says nothing'}"
