"""Live streams: who looks at which projects, and that each is told what changes, in time and within bounds.

A project that nobody looks at costs nothing. Looks at what changed keep a distance of a tenth of a second, so that many
changes at once are few events; the first after a quiet time is told at once.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from onduty.answers import Receive, Send
from onduty.background import Wake
from onduty.clock import Clock, Instant
from onduty.sessions.model import MINUTE_MS, ON_DUTY, AgentSession, State
from onduty.sessions.registry import Registry
from onduty.sessions.stream import ALIVE_EVERY_MS, Feed, Numbers
from onduty.sessions.stream_wire import RETRY, Dress, Wire, number_of

TOLD: Final[frozenset[State]] = ON_DUTY | {"lost"}
"""The states that are told at all: ended sessions are not."""
BEAT_SECONDS: Final = 10.0
ROUND_MS: Final = 100
# A reader who has left so much unread when there is more, or takes so long for a piece, is dropped.
MOST_UNREAD: Final = 512 * 1024
PIECE_SECONDS: Final = 30.0
_LAST_SECONDS: Final = 1.0
# For so long after the last viewer what changes is kept, for one whose connection broke.
KEPT_MS: Final = MINUTE_MS
_CHECK_EVERY_MS: Final = MINUTE_MS

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Stream:
    """One open stream over `projects`. `viewer` is the user who looks at a page, None for a bearer stream.

    `sees` says whether a project may be told to whom it is for. `still` is asked once a minute whether that one is
    signed in; `key` names their sign-in, for ending it.
    """

    projects: set[str]
    states: frozenset[State]
    sees: Callable[[str, Instant], bool]
    viewer: str | None = None
    still: Callable[[Instant], Awaitable[bool]] | None = None
    key: bytes | None = None
    first: Iterator[bytes] = iter(())
    unread: list[bytes] = field(default_factory=list)
    unread_bytes: int = 0
    checked_at: Instant = 0
    is_over: bool = False
    is_asleep: bool = False
    timeout: asyncio.Timeout | None = None

    def tell(self, events: Sequence[bytes]) -> None:
        """Have them sent, or end the stream where too much is waiting since before."""
        if self.unread_bytes > MOST_UNREAD:
            self.end()
            return
        self.unread += events
        self.unread_bytes += sum(map(len, events))
        if self.is_asleep:
            self._interrupt()

    def end(self) -> None:
        """What is not sent by now is not sent."""
        self.is_over = True
        self.unread = []
        self._interrupt()

    def taken(self) -> Iterator[bytes]:
        """What is to be sent next."""
        first, self.first = self.first, iter(())
        unread, self.unread, self.unread_bytes = self.unread, [], 0
        return chain(first, [b"".join(unread)] if unread else [])

    async def gone_within(self, receive: Receive, seconds: float) -> bool:
        """Whether the reader leaves within that time, while there is nothing to send."""
        if self.unread or self.is_over:
            return False
        self.is_asleep = True
        try:
            async with asyncio.timeout(seconds) as self.timeout:
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        finally:
            self.is_asleep, self.timeout = False, None
        return True

    async def send(self, send: Send, piece: bytes) -> None:
        """Send a piece. TimeoutError where the reader does not take it in time, or the stream ended meanwhile."""
        try:
            async with asyncio.timeout(PIECE_SECONDS) as self.timeout:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            self.timeout = None

    def _interrupt(self) -> None:
        if self.timeout is not None and not self.timeout.expired():
            self.timeout.reschedule(0)


@dataclass(slots=True)
class Streams:
    """`dress` gives a page's `session` events what a page wants beside the row."""

    registry: Registry
    clock: Clock
    dress: Dress | None = None
    process: str = field(default_factory=lambda: secrets.token_hex(4))
    streams: set[Stream] = field(default_factory=set)
    closing: bool = False
    _numbers: Numbers = field(default_factory=Numbers)
    _feeds: dict[str | None, Feed] = field(default_factory=dict)
    _watching: dict[str, set[Stream]] = field(default_factory=dict)
    # Since when nobody looks at a project of which something is kept.
    _unwatched: dict[str, Instant] = field(default_factory=dict)
    _wake: Wake | None = None
    _is_due: bool = False

    def __post_init__(self) -> None:
        self.registry.on_touch.append(self._touched)

    def _touched(self, session: AgentSession) -> None:
        feed = self._feeds.get(session.project_id)
        if feed is not None:
            feed.touched[session.id] = None
            if not self._is_due and self._wake is not None:
                self._is_due = True
                self._wake.notify()

    async def run(self, wake: Wake) -> None:
        """The loop that looks at what changed, when something was said of a session or time alone changes one."""
        self._wake = wake
        looked_at = 0
        while await wake.wait(self._due_in(self.clock.now())):
            # Nobody notifies from here on, so that this is a pause.
            self._is_due = True
            pause_ms = looked_at + ROUND_MS - self.clock.now()
            if 0 < pause_ms <= ROUND_MS and not await wake.wait(pause_ms / 1000):
                break
            self._is_due = False
            looked_at = self.clock.now()
            self.look(looked_at)

    def _due_in(self, now: Instant) -> float | None:
        looks = [at for feed in self._feeds.values() if (at := feed.next_look()) is not None]
        due = min([*looks, *(since + KEPT_MS for since in self._unwatched.values())], default=None)
        return None if due is None else max(0, due - now) / 1000

    def look(self, now: Instant) -> None:
        """Tell what reads otherwise now, and forget projects that nobody looks at any more."""
        for project_id, since in list(self._unwatched.items()):
            if not 0 <= now - since < KEPT_MS:
                self.forget_project(project_id)
        for feed in self._feeds.values():
            self._tell(feed, now)

    def _tell(self, feed: Feed, now: Instant, alive_every_ms: int = ALIVE_EVERY_MS) -> None:
        changes = feed.changes(now, alive_every_ms)
        if not changes:
            return
        wire = self._at(now)
        for stream in list(self._watching[feed.project_id]):
            kinds = ((change, change.kind(stream.states)) for change in changes)
            told = [wire.change(change, kind, feed.project_id, stream.viewer) for change, kind in kinds if kind]
            if told:
                stream.tell(told)

    def _at(self, now: Instant) -> Wire:
        return Wire(self.process, now, self.dress)

    def position(self, project_id: str, now: Instant) -> str:
        """The id of what was told last. A page asks before it reads its rows, and goes on from there in its stream."""
        self._told_until(project_id, now)
        return self._at(now).id_of(self._numbers.last)

    def _told_until(self, project_id: str, now: Instant) -> Feed:
        """The project's feed with all that there is up to now told."""
        feed = self._feeds.get(project_id)
        if feed is None:
            feed = self._feeds[project_id] = Feed.of(project_id, self.registry, self._numbers, now)
            self._watching[project_id] = set()
            self._unwatched[project_id] = now
            if self._wake is not None:
                self._wake.notify()
        self._tell(feed, now, alive_every_ms=0)
        return feed

    async def hold(self, stream: Stream, last_event_id: str | None, receive: Receive, send: Send) -> bool:
        """Tell what is and what changes until the reader goes, or the stream ends. False for one who is too slow.

        The answer is begun already.
        """
        self._open(stream, last_event_id)
        try:
            while await self._goes_on(stream):
                for piece in stream.taken():
                    await stream.send(send, piece)
                if await stream.gone_within(receive, BEAT_SECONDS):
                    return True
                if not stream.unread and not stream.is_over:
                    stream.tell([self._at(self.clock.now()).beat(self._numbers.last, stream.viewer)])
            async with asyncio.timeout(_LAST_SECONDS):
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            _log.info("a reader of a live stream is too slow and is dropped")
            return False
        finally:
            self._leave(stream, list(stream.projects))
            self.streams.discard(stream)
        return True

    async def _goes_on(self, stream: Stream) -> bool:
        now = self.clock.now()
        if stream.still is not None and not 0 <= now - stream.checked_at < _CHECK_EVERY_MS:
            stream.checked_at = now
            if not await stream.still(now):
                stream.end()
        self._look_again(stream, now)
        return not stream.is_over

    def _open(self, stream: Stream, last_event_id: str | None) -> None:
        now, number = self.clock.now(), number_of(self.process, last_event_id)
        stream.checked_at = now
        self.streams.add(stream)
        first = [self._begun(stream, project_id, number, now) for project_id in sorted(stream.projects)]
        # After that a reader knows that all is told.
        beat = [] if stream.viewer is None else [self._at(now).beat(self._numbers.last, stream.viewer)]
        stream.first = chain([RETRY], *first, beat)
        if self.closing:
            stream.end()

    def _begun(self, stream: Stream, project_id: str, number: int | None, now: Instant) -> Iterable[bytes]:
        """What changed in the project since that number, else all that there is; from here on changes are told."""
        wire = self._at(now)
        if not stream.sees(project_id, now):
            stream.projects.discard(project_id)
            return [wire.withdrawn(self._numbers.last, project_id)]
        feed = self._told_until(project_id, now)
        self._watching[project_id].add(stream)
        self._unwatched.pop(project_id, None)
        changes = None if number is None else feed.since(number)
        if changes is None:
            rows = feed.rows_in(stream.states)
            if stream.viewer is None:
                return wire.snapshot(self._numbers.last, rows)
            return [wire.outline(self._numbers.last, project_id, stream.viewer, rows)]
        kinds = [(change, change.kind(stream.states)) for change in changes]
        return [wire.change(change, kind, project_id, stream.viewer) for change, kind in kinds if kind]

    def _leave(self, stream: Stream, projects: Iterable[str]) -> None:
        for project_id in projects:
            stream.projects.discard(project_id)
            watching = self._watching.get(project_id)
            if watching is not None:
                watching.discard(stream)
                if not watching and project_id not in self._unwatched:
                    self._unwatched[project_id] = self.clock.now()
                    if self._wake is not None:
                        self._wake.notify()

    def look_again(self) -> None:
        """Somebody may do less than before: what a stream may not tell any longer it tells no more, at once."""
        now = self.clock.now()
        for stream in list(self.streams):
            self._look_again(stream, now)

    def _look_again(self, stream: Stream, now: Instant) -> None:
        lost = [project_id for project_id in stream.projects if not stream.sees(project_id, now)]
        self._leave(stream, lost)
        if not stream.projects:
            stream.end()
        elif lost:
            wire = self._at(now)
            stream.tell([wire.withdrawn(self._numbers.last, project_id) for project_id in lost])

    def forget_project(self, project_id: str) -> None:
        """A project is gone, or nobody looks at it: nothing of it is kept."""
        self._feeds.pop(project_id, None)
        self._watching.pop(project_id, None)
        self._unwatched.pop(project_id, None)

    def signed_out(self, key: bytes) -> None:
        """Somebody's sign-in is over, and so are the streams of its pages."""
        for stream in list(self.streams):
            if stream.key == key:
                stream.end()

    def close(self) -> None:
        """The server leaves: every stream ends now."""
        self.closing = True
        for stream in list(self.streams):
            stream.end()
