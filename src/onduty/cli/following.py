"""Who is on duty as the server tells it live; from where it broke it goes on by itself."""

import http.client
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any, Final

from onduty.cli.failure import NOT_REACHED, OUR_FAULT, code_of
from onduty.client.api import NotReached, Refused, Server
from onduty.clock import Instant, boot_ms, parse_rfc3339

Row = dict[str, Any]

SILENT_S: Final = 15.0
AGAIN_S: Final = 2.0
_SOON_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the stream; `kind` is empty for a comment, which says no more than that the server is there."""

    kind: str
    data: dict[str, Any]


@dataclass(slots=True)
class Following:
    """The sessions in a project by id, as they were told last; `is_reached` says whether that is still true."""

    server: Server
    project_id: str
    states: str
    rows: dict[str, Row] = field(default_factory=dict)
    is_reached: bool = False
    # When something was heard last, by the server's clock.
    heard_at: Instant = 0
    _now: Instant = 0
    _now_ms: int = 0
    _last_id: str = ""
    _heard: "Queue[Event | Exception]" = field(default_factory=Queue)

    def begin(self) -> None:
        """Ask for the stream, and wait for its first word. NotReached or Refused where there is none."""
        threading.Thread(target=self._read, daemon=True).start()
        while not self.is_reached:
            heard = self._heard.get()
            if isinstance(heard, Exception):
                raise heard
            self._take(heard)

    def wait(self, seconds: float) -> None:
        """Wait until something is heard, or for so long. Refused for what will not pass by itself."""
        try:
            heard = self._heard.get(timeout=seconds)
            while True:
                self._hear(heard)
                heard = self._heard.get_nowait()
        except Empty:
            pass

    def now(self) -> Instant:
        """The server's time: what it said last and what has passed since then; while it is away, when it was heard."""
        return self._passed() if self.is_reached else self.heard_at

    def in_order(self) -> list[Row]:
        """The rows as the API lists them: newest activity first, then by id."""
        by_id = sorted(self.rows.values(), key=lambda row: str(row["session_id"]))
        return sorted(by_id, key=lambda row: str(row["last_activity_at"]), reverse=True)

    def _hear(self, heard: Event | Exception) -> None:
        if isinstance(heard, Event):
            self._take(heard)
        elif isinstance(heard, NotReached) or (isinstance(heard, Refused) and passes(heard)):
            self.is_reached = False
        else:
            raise heard

    def _take(self, event: Event) -> None:
        if event.kind == "snapshot":
            self.rows = {row["session_id"]: row for row in event.data["sessions"]}
        elif event.kind == "session":
            self.rows[event.data["session"]["session_id"]] = event.data["session"]
        elif event.kind == "gone":
            self.rows.pop(event.data["session_id"], None)
        if "now" in event.data:
            self._now, self._now_ms = parse_rfc3339(event.data["now"]), boot_ms()
        if self._now:
            self.is_reached, self.heard_at = True, self._passed()

    def _passed(self) -> Instant:
        return self._now + boot_ms() - self._now_ms

    def _read(self) -> None:
        """In a thread of its own: read the stream again and again, until it is refused for good."""
        while True:
            was_heard = False
            try:
                for event in self._events():
                    was_heard = True
                    self._heard.put(event)
            except (NotReached, Refused) as error:
                self._heard.put(error)
                if isinstance(error, Refused) and not passes(error):
                    return
            except Exception as error:
                self._heard.put(error)
                return
            threading.Event().wait(_SOON_S if was_heard else AGAIN_S)

    def _events(self) -> Iterator[Event]:
        """What one connection tells, until it breaks."""
        told = {"Last-Event-ID": self._last_id} if self._last_id else {}
        path = ("api", "projects", self.project_id, "agent-sessions", "stream")
        with self.server.opened(*path, query={"state": self.states}, headers=told, timeout_s=SILENT_S) as response:
            try:
                for block in _blocks(response):
                    self._last_id = block.get("id", self._last_id)
                    yield Event(block.get("event", ""), json.loads(block.get("data", "{}")))
            except TimeoutError:
                raise NotReached(f"{self.server.origin} says nothing") from None
            except (OSError, http.client.HTTPException):
                return


def passes(refusal: Refused) -> bool:
    """Whether a refusal is of a server that will be there again."""
    return code_of(refusal.status) in (NOT_REACHED, OUR_FAULT)


def _blocks(lines: Iterable[bytes]) -> Iterator[dict[str, str]]:
    """Server-sent events as their fields, each of which our server gives once and in one line."""
    block: dict[str, str] = {}
    is_comment = False
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            is_comment = is_comment or not name
            block[name] = value.removeprefix(" ")
            continue
        if block or is_comment:
            yield block
        block, is_comment = {}, False
