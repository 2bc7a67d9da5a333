"""`onduty hook CLIENT EVENT`: what an agent client's hook tells goes to the server, or into the spool.

It never breaks or delays the agent: at most a second in all, always exit code 0, and nothing on stdout but what the
client expects. No time is lost on what is not needed: nothing is imported here but json and sockets.
"""

from __future__ import annotations

import _thread
import importlib
import json
import os
import sys
import time
from typing import Any

from onduty.client import connections, delivery, locked, processes, spool, state, wire

# Of the one second; the rest is the interpreter's start and end.
NETWORK_S = 0.6
_ALL_S = 0.8
_LONGEST_INPUT = 64 * 1024 * 1024
_NAMES_FOLDER = ("start", "prompt")


class Hook:
    """One run of the hook program: one thing that the client told."""

    def __init__(self, root: str, agent: Any, connection: dict[str, Any], event: str, payload: dict[str, Any]) -> None:
        self.root = root
        self.agent = agent
        self.event = event
        self.payload = payload
        self.connection = connection
        self.folder = agent.folder(payload) or os.getcwd()
        self.heading = connections.heading(agent.ORIGIN, connection, connections.repository(self.folder))
        self.told: dict[str, Any] | None = None
        # What the server said earlier: a call of our tools names its session though this event comes late.
        self._shown_as = ""
        self._settled = _thread.allocate_lock()

    def run(self, until: float) -> str:
        """Bring it to the server before `until` on `time.monotonic`; answers what the client is to read on stdout."""
        told = self.agent.told(self.event, self.payload)
        if told is None:
            return ""
        muted = self._stamp(told)
        reply: dict[str, Any] = {"session": self._shown_as}
        try:
            if muted:
                self.keep()
            else:
                reply = self._reply(self._send(until))
        except (wire.Late, wire.Answered, OSError) as error:
            self.keep()
            if isinstance(error, wire.Late):
                self._let_wait()
        said: str = self.agent.answer(self.event, self.payload, reply)
        return said

    def keep(self) -> None:
        """Leave the event in the spool, once, unless it was sent."""
        if self.told is not None and self._settled.acquire(False):
            try:
                spool.add(self.root, self.heading, self.told)
            except (locked.Busy, OSError):
                pass

    def _stamp(self, told: dict[str, Any]) -> bool:
        """Make it the event that is to be sent; whether nothing is to be sent now."""
        call, is_ours = told.pop("call", ""), told.pop("is_ours", False)
        session = told["session"]
        about = self._about(told)
        # Of most clients an end is the end of what their process runs.
        runs = _name(about.get("process")) if getattr(self.agent, "ENDS_LATE", False) else ""
        try:
            with state.State(self.root) as kept:
                if runs and told["kind"] == "end" and kept.has_left(runs, session):
                    return True
                if runs and told["kind"] == "start":
                    kept.runs(runs, session)
                stamp = kept.stamp()
                if call and told["kind"] == "tool_started":
                    kept.announce(session, call, told["tool_id"])
                elif call and told["kind"] == "waiting":
                    told["tool_id"] = kept.announced(session, call)
                # A call of our tools goes to that server in any case, and is this agent's only if it says so.
                muted = kept.is_mute(self.heading["origin"]) and not is_ours
                self._shown_as = kept.shown_as(self.heading["origin"], session)
        except (locked.Busy, OSError):
            stamp, muted = state.now_ms(), False
        # The clock's own reading: a stamp runs ahead of it once it was put back, and is of no age then.
        at = delivery.rfc3339(state.now_ms())
        words = {"id": state.fresh_id(stamp), "stamp": stamp, "at": at, **about}
        self.told = {key: value for key, value in {**words, **told}.items() if value not in ("", None)}
        return muted

    def _about(self, told: dict[str, Any]) -> dict[str, Any]:
        about: dict[str, Any] = {}
        if processes.PLATFORM == "linux" or told["kind"] == "start":
            about["process"] = processes.client(self.agent.process())
        if told["kind"] == "start":
            # Of `onduty run`, where no process above tells it.
            about["parent"] = os.environ.get("ONDUTY_SESSION", "")[:200]
        if told["kind"] in _NAMES_FOLDER and not self.connection.get("private"):
            from onduty.client import folders

            about["folder"], about["branch"] = folders.name(self.folder), folders.branch(self.folder)
        if told["kind"] == "waiting" and self.connection.get("share_questions") and not self.connection.get("private"):
            about["question"] = self._question()
        return about

    def _question(self) -> str:
        from onduty.client import folders, masking

        # Not every client's questions have words of their own.
        question = getattr(self.agent, "question", None)
        return (
            ""
            if question is None
            else masking.one_line(folders.relative(question(self.event, self.payload), self.folder))
        )

    def _send(self, until: float) -> dict[str, Any]:
        assert self.told is not None
        try:
            before = spool.waiting(self.root, self.heading)
        except (locked.Busy, OSError):
            before = []
        events = [*before, self.told]
        tell = self.told["kind"] == "start"
        answer = delivery.deliver(self.heading, self.connection["token"], events, until, tell=tell)
        self._settled.acquire(False)
        answered = delivery.ids_of(answer)
        if before:
            try:
                spool.remove(self.root, self.heading, answered)
            except (locked.Busy, OSError):
                pass
            self._answers()
        return answer

    def _reply(self, answer: dict[str, Any]) -> dict[str, Any]:
        assert self.told is not None
        on_duty, session = answer.get("on_duty"), delivery.session_of(answer, self.told["id"])
        if session and session != self._shown_as:
            self._remember(session)
        return {"session": session, "on_duty": on_duty if isinstance(on_duty, dict) else None}

    def _remember(self, session: str) -> None:
        assert self.told is not None
        try:
            with state.State(self.root) as kept:
                kept.show_as(self.heading["origin"], self.told["session"], session)
        except (locked.Busy, OSError):
            pass

    def _let_wait(self) -> None:
        try:
            with state.State(self.root) as kept:
                kept.let_wait(self.heading["origin"])
        except (locked.Busy, OSError):
            pass

    def _answers(self) -> None:
        try:
            with state.State(self.root) as kept:
                kept.answers(self.heading["origin"])
        except (locked.Busy, OSError):
            pass


def _name(process: dict[str, Any] | None) -> str:
    return "" if process is None else f"{process['boot']} {process['pid']} {process['started']}"


def main(root: str, name: str, event: str) -> None:
    """Read the client's JSON on stdin and do what is due; does not return."""
    began = time.monotonic()
    hooks: list[Hook] = []
    _thread.start_new_thread(_watch, (hooks,))
    said = ""
    try:
        payload = json.loads(sys.stdin.buffer.read(_LONGEST_INPUT))
        connection = connections.read(root).get(name)
        if isinstance(payload, dict) and isinstance(connection, dict):
            agent = importlib.import_module(f"onduty.client.agents.{name}")
            hooks.append(Hook(root, agent, connection, event, payload))
            said = hooks[0].run(began + NETWORK_S)
    except Exception:  # noqa: BLE001,RUF100 - whatever it is, it is not the agent's
        if os.environ.get("ONDUTY_HOOK_DEBUG"):
            raise
    leave(said)


def _watch(hooks: list[Hook]) -> None:
    """A look-up of a name cannot be interrupted: this thread ends the process when its time is over."""
    time.sleep(_ALL_S)
    for hook in hooks:
        hook.keep()
    leave("")


def leave(said: str) -> None:
    """Say it and end the process at once, with 0."""
    try:
        if said:
            os.write(1, said.encode())
    except OSError:
        pass
    os._exit(0)
