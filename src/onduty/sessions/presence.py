"""Presence streams: an open one holds a session as `connected`, by a lease that our pings renew. It is no activity."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from onduty.background import Background
from onduty.clock import Clock
from onduty.errors import Problem
from onduty.sessions.model import LEASE_MS, AgentSession
from onduty.sessions.registry import Registry
from onduty.sessions.resolution import Claim, Resolution

Gone = Callable[[], Awaitable[None]]
Pinging = Callable[[AgentSession | None], Awaitable[None]]

SHOWN_AFTER_SECONDS: Final = 5.0
PING_SECONDS: Final = 15.0
PING: Final = b": ping\n\n"

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Stream:
    """One open stream. `claim` is asked anew at each ping, since a tool call or a hook may have told more by then.

    `before` is the session that it held last, though it may have let go of it; `client` is whose stream it is.
    """

    claim: Callable[[], Claim] | None
    client: object = None
    allowed: Callable[[], bool] = lambda: True
    session: AgentSession | None = None
    before: AgentSession | None = None
    is_over: bool = False
    timeout: asyncio.Timeout | None = None


@dataclass(slots=True)
class Presence:
    registry: Registry
    resolution: Resolution
    clock: Clock
    background: Background
    closing: bool = False
    streams: set[Stream] = field(default_factory=set)
    held: Counter[str] = field(default_factory=Counter)

    async def hold(
        self,
        claim: Callable[[], Claim] | None,
        gone: Gone,
        ping: Pinging,
        client: object = None,
        allowed: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Hold a session for as long as the client stays: until `gone` returns (False) or the server ends it (True).

        The first 5 seconds make nothing: a client that only looks what there is leaves nothing behind. Without a
        claim nothing is held: the stream is open and no more. Once it is not `allowed` any longer the server ends it.
        """
        stream = Stream(claim, client, allowed, is_over=self.closing or not allowed())
        self.streams.add(stream)
        try:
            wait = SHOWN_AFTER_SECONDS
            while not stream.is_over:
                if await self._gone_within(stream, wait, gone):
                    return False
                if not allowed():
                    return True
                if not stream.is_over:
                    await self._renew(stream)
                    await ping(stream.session)
                    wait = PING_SECONDS
            return True
        finally:
            self.streams.discard(stream)
            self._let_go(stream)

    async def _gone_within(self, stream: Stream, seconds: float, gone: Gone) -> bool:
        try:
            async with asyncio.timeout(seconds) as stream.timeout:
                await gone()
        except TimeoutError:
            return False
        finally:
            stream.timeout = None
        return True

    async def _renew(self, stream: Stream) -> None:
        if stream.claim is None:
            return
        now = self.clock.now()
        try:
            session = await self.resolution.of_stream(stream.claim(), now, stream.before)
        except Problem as problem:
            _log.warning("a presence stream holds nothing: %s", problem.message)
            return
        if session is not stream.session:
            self._let_go(stream)
            stream.session = session
            if session is not None:
                stream.before = session
                self.held[session.id] += 1
        if session is not None:
            self.registry.lease(session, now, now + LEASE_MS)

    def _let_go(self, stream: Stream) -> None:
        session, stream.session = stream.session, None
        if session is None:
            return
        self.held[session.id] -= 1
        if self.held[session.id] <= 0:
            del self.held[session.id]
            if not self.closing:
                self.registry.release(session, self.clock.now())

    def is_held_beside(self, session_id: str, client: object) -> bool:
        """Whether the stream of somebody other than this client holds the session."""
        holding = (s for s in self.streams if s.session is not None and s.session.id == session_id)
        return any(s.client is not client and not s.is_over for s in holding)

    def leave(self, client: object) -> None:
        """This client has hung up: its streams end now."""
        self._end([stream for stream in self.streams if stream.client is client])

    def look_again(self) -> None:
        """Somebody may do less than before: streams that are not allowed any longer end now."""
        self._end([stream for stream in self.streams if not stream.allowed()])

    def close(self) -> None:
        """The server leaves: every stream ends now."""
        self.closing = True
        self._end(list(self.streams))

    def _end(self, streams: list[Stream]) -> None:
        for stream in streams:
            stream.is_over = True
            if stream.timeout is not None and not stream.timeout.expired():
                stream.timeout.reschedule(0)
