"""`onduty run -- COMMAND`: any command as an agent session that starts, beats and ends with its process.

Its terminal, its signals and its exit status are its own; the session's id is in its environment, as ONDUTY_SESSION.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

from onduty.client import asking, connections, delivery, folders, processes, state, wire
from onduty.client.api import NotSignedIn, Server, server_in_use
from onduty.client.credentials import CredentialsError

BEAT_S = 60.0
_START_S = 2.0
_USAGE = 2
_USAGE_LINE = "usage: onduty run -- COMMAND …"
_NOT_FOUND, _NOT_STARTED = 127, 126


def main(arguments: Sequence[str]) -> int:
    """Run what follows `--`, or all of it. The command's own exit status, 128 + n where signal n ended it."""
    if list(arguments) in (["-h"], ["--help"]):
        print(_USAGE_LINE)
        return 0
    command = list(arguments[1:] if list(arguments[:1]) == ["--"] else arguments)
    if not command or command[0].startswith("-"):
        asking.say(_USAGE_LINE)
        return _USAGE
    session = _Session(os.path.basename(command[0]))
    session.tell("start", reason="startup")
    environment = {**os.environ, **({"ONDUTY_SESSION": session.id} if session.id else {})}
    try:
        with passing_signals() as to:
            process = subprocess.Popen(command, env=environment)
            to(process)
            session.beat()
            code = process.wait()
    except OSError as error:
        asking.say(f"onduty: {command[0]}: {error.strerror}")
        code = _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_STARTED
    session.tell("end", reason="exit" if code == 0 else "other")
    return 128 - code if code < 0 else code


@contextlib.contextmanager
def passing_signals() -> Any:
    """What is sent to us goes to the child, once that is told; what the terminal sends has reached it already."""
    child: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: Any) -> None:
        if number in (signal.SIGINT, getattr(signal, "SIGQUIT", None)):
            return
        if not child:
            early.append(number)
        elif child[0].poll() is None:
            child[0].send_signal(number)

    def to(process: subprocess.Popen[bytes]) -> None:
        child.append(process)
        # The child runs before we know it: what came meanwhile is for it, too.
        for number in early:
            pass_on(number, None)

    names = ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Session:
    """The session of the command. Where no server is reached the command runs all the same."""

    def __init__(self, name: str) -> None:
        self.id = ""
        self._alias = f"run-{uuid.uuid4()}"
        self._heading: dict[str, Any] = {}
        self._server: Server | None = None
        self._over = threading.Event()
        try:
            self._server = server_in_use()
        except (NotSignedIn, CredentialsError) as error:
            asking.say(f"onduty: {error}; the command runs unseen")
            return
        named = connections.repository(os.getcwd())
        project = os.environ.get("ONDUTY_PROJECT") or named.get("project") or self._server.project
        self._heading = {"origin": self._server.origin, "client": name.lower(), "project": project}
        self._heading["role"] = os.environ.get("ONDUTY_ROLE") or named.get("role")

    def tell(self, kind: str, **words: str) -> None:
        """Tell the server, in two seconds at most."""
        if self._server is None or self._server.token is None:
            return
        stamp = state.now_ms()
        event: dict[str, Any] = {"id": state.fresh_id(stamp), "kind": kind, "at": delivery.rfc3339(stamp)}
        event |= {"session": self._alias, **words, "process": processes.client(os.getpid())}
        if kind == "start":
            event |= {"folder": folders.name(os.getcwd()), "branch": folders.branch(os.getcwd())}
        event = {key: value for key, value in event.items() if value}
        try:
            until = time.monotonic() + _START_S
            answer = delivery.deliver(self._heading, self._server.token, [event], until)
            self.id = delivery.session_of(answer, event["id"]) or self.id
            self._explain(answer)
        except (wire.Late, wire.Answered, OSError) as error:
            if kind == "start":
                asking.say(f"onduty: {str(error) or 'the server does not answer'}; the command runs unseen for now")

    def _explain(self, answer: dict[str, Any]) -> None:
        for result in answer.get("results") or []:
            if isinstance(result, dict) and result.get("status") == "rejected":
                asking.say(f"onduty: {json.dumps(result.get('error'))}")

    def beat(self) -> None:
        """Say every minute that it lives, until the process ends."""
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            self.tell("activity")
