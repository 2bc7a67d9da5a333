"""What the hooks of one machine tell one another, in one locked file: last stamp, calls, who runs what, who is mute."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from onduty.client import locked, place

_CALLS_KEPT = 64
_RUNS_KEPT = 64
_SESSIONS_KEPT = 64
_FIRST_PAUSE_MS = 10_000
_LONGEST_PAUSE_MS = 60_000


def now_ms() -> int:
    """This machine's clock, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class State:
    """The file's content while it is held. Changes are written when the `with` block ends."""

    def __init__(self, root: str) -> None:
        self._path = place.state_file(root)
        self._kept: dict[str, Any] = {}

    def __enter__(self) -> State:
        self._manager = locked.held(self._path)
        self._handle = self._manager.__enter__()
        self._kept = _read(locked.content(self._handle))
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                locked.replace(self._handle, json.dumps(self._kept).encode())
        finally:
            self._manager.__exit__(kind, error, trace)

    def stamp(self) -> int:
        """The next stamp of this machine: its clock in ms, or one more than the last (design.md 2.2)."""
        last = self._kept.get("stamp")
        stamp = max(now_ms(), (last if isinstance(last, int) else 0) + 1)
        self._kept["stamp"] = stamp
        return stamp

    def announce(self, session: str, call: str, tool_id: str) -> None:
        """Remember that a tool use with this id is about to run; `call` is what its permission question will match."""
        self._kept["calls"] = [*self._calls(), [session, call, tool_id]][-_CALLS_KEPT:]

    def announced(self, session: str, call: str) -> str:
        """The id of the last tool use announced for this call, '' where there is none."""
        return next((c[2] for c in reversed(self._calls()) if c[:2] == [session, call]), "")

    def runs(self, process: str, session: str) -> None:
        """Remember which session the process runs from now on."""
        self._kept["runs"] = [*(run for run in self._runs() if run[0] != process), [process, session]][-_RUNS_KEPT:]

    def has_left(self, process: str, session: str) -> bool:
        """Whether the process runs another session now: then what ends is a conversation, and the agent goes on."""
        return any(run[0] == process and run[1] != session for run in self._runs())

    def shown_as(self, origin: str, session: str) -> str:
        """Our id of a client's session, as the server there told it last, '' where it did not."""
        return next((known[2] for known in self._shown() if known[:2] == [origin, session]), "")

    def show_as(self, origin: str, session: str, ours: str) -> None:
        """Remember our id of a client's session."""
        others = [known for known in self._shown() if known[:2] != [origin, session]]
        self._kept["shown"] = [*others, [origin, session, ours]][-_SESSIONS_KEPT:]

    def is_mute(self, origin: str) -> bool:
        """Whether the server there let us wait in vain a moment ago: then nothing is sent, and the spool takes all."""
        until = self._mute().get(origin, [0, 0])[0]
        now = now_ms()
        return bool(now < until <= now + _LONGEST_PAUSE_MS)

    def let_wait(self, origin: str) -> None:
        """The server there let us wait in vain: it is not asked for a while, twice as long each time."""
        pause = min(_LONGEST_PAUSE_MS, max(_FIRST_PAUSE_MS, 2 * int(self._mute().get(origin, [0, 0])[1])))
        self._kept["mute"] = {**self._mute(), origin: [now_ms() + pause, pause]}

    def answers(self, origin: str) -> None:
        """The server there answers."""
        self._kept["mute"] = {key: value for key, value in self._mute().items() if key != origin}

    def _calls(self) -> list[list[str]]:
        calls = self._kept.get("calls")
        return calls if isinstance(calls, list) else []

    def _runs(self) -> list[list[str]]:
        runs = self._kept.get("runs")
        return runs if isinstance(runs, list) else []

    def _shown(self) -> list[list[str]]:
        shown = self._kept.get("shown")
        return shown if isinstance(shown, list) else []

    def _mute(self) -> dict[str, list[int]]:
        mute = self._kept.get("mute")
        return mute if isinstance(mute, dict) else {}


def _read(text: bytes) -> dict[str, Any]:
    try:
        kept = json.loads(text) if text else {}
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def fresh_id(stamp: int) -> str:
    """An event's id."""
    return f"{stamp:x}-{os.urandom(4).hex()}"
