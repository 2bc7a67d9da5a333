"""The two hot operations, before everything else, and what holds for every request.

`at_once` answers the list of a project's active sessions and bare activity out of memory, without waiting for
anything, so that the server needs no task for it. Everything unusual goes the ordinary way, a plain ASGI callable that
checks Host and Origin and hands on to the routes, which give the same answers (tests/test_front.py compares them).
"""

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import count
from typing import Final

from onduty.addresses import Networks, caller_address
from onduty.answers import (
    ALWAYS,
    JSON,
    POLICY,
    Application,
    Client,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    Whole,
    answer,
    lines,
    refuse,
)
from onduty.clock import Clock, Instant
from onduty.errors import Forbidden, Internal, Invalid, Misdirected, Problem
from onduty.identity.service import Identity, Principal
from onduty.limits import Limits
from onduty.log import request_id
from onduty.origins import Origins, cors_headers, preflight_headers, takes_cors, takes_no_foreigner
from onduty.projects.service import Projects, may_act
from onduty.sessions.reading import Reading
from onduty.sessions.reading_routes import matches
from onduty.sessions.service import AgentSession, end_of

Named = dict[bytes, bytes]

_log = logging.getLogger(__name__)

_PROJECT: Final = b"/api/projects/"
_LISTS: Final = (b"/agent-sessions", b"/agent-sessions?active=true")
_SESSION: Final = b"/api/agent-sessions/"
_ACTIVITY: Final = b"/activity"
_ID_CHARACTERS: Final = 36
_LISTED: Final = b"cache-control: private, no-cache\r\nvary: Authorization\r\n"
_FOUND: Final = lines(200, [JSON, *ALWAYS])
_UNCHANGED: Final = lines(304, ALWAYS)
_RECORDED: Final = lines(204, ALWAYS)
_COUNTED_AFTER_MS: Final = 1_000


@dataclass(slots=True)
class Front:
    """`app` are the ordinary routes, the MCP endpoint and the pages behind this."""

    app: Application
    identity: Identity
    projects: Projects
    reading: Reading
    limits: Limits
    clock: Clock
    origins: Origins
    # How many answers there were since the start, by operation and status.
    answered: Counter[tuple[str, int]]
    trusted: Networks = ()
    _process: bytes = field(default_factory=lambda: secrets.token_hex(3).encode())
    _requests: "count[int]" = field(default_factory=count)
    _names_us: Callable[[bytes], bool] = field(init=False)

    def __post_init__(self) -> None:
        # Nearly every request names the same host.
        self._names_us = lru_cache(maxsize=64)(self.origins.names_us)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: Named = {}
        twice = False
        for name, value in scope["headers"]:
            if name in headers:
                twice = twice or name in (b"host", b"authorization")
                value = headers[name] + b", " + value
            headers[name] = value
        own_id = b"%b-%d" % (self._process, next(self._requests))
        # The server gives each request a task, and with it a context, of its own: nobody else reads this.
        request_id.set(own_id.decode())
        send = _dressed(send, [(b"x-request-id", own_id)], counted=partial(self._count, scope))
        if twice or b"host" not in headers:
            await refuse(send, Invalid("The request needs one Host header and at most one Authorization header"))
        elif not self._names_us(headers[b"host"]):
            await refuse(send, Misdirected())
        elif b"origin" in headers:
            await self._across(scope, receive, send, headers)
        else:
            if scope["method"] == "POST" and scope["path"].endswith(_ACTIVITY.decode()):
                scope["onduty.counted"] = self._is_free_activity(scope["path"], headers)
            await self._ordinary(scope, receive, send)

    async def _across(self, scope: Scope, receive: Receive, send: Send, headers: Named) -> None:
        """A request with an Origin: a browser sends it, for a page of ours, of a listed origin, or of anybody else."""
        origin, path = headers[b"origin"], scope["path"]
        listed = takes_cors(path) and self.origins.is_listed(origin.decode("latin-1"))
        if listed and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await answer(send, 204, preflight_headers(origin))
            return
        if listed:
            send = _dressed(send, cors_headers(origin), always=())
        elif takes_no_foreigner(path) and not self.origins.is_own(origin.decode("latin-1"), headers[b"host"]):
            await refuse(send, Forbidden("A page of another origin may not ask this"))
            return
        await self._ordinary(scope, receive, send)

    def at_once(self, method: bytes, target: bytes, headers: Headers, client: Client) -> Whole | None:
        """The answer to one of the two hot operations; None, and nothing done, where anything about it is unusual."""
        if method == b"GET":
            if not target.startswith(_PROJECT) or target[len(_PROJECT) + _ID_CHARACTERS :] not in _LISTS:
                return None
            start = len(_PROJECT)
        elif method == b"POST":
            if not target.startswith(_SESSION) or target[len(_SESSION) + _ID_CHARACTERS :] != _ACTIVITY:
                return None
            start = len(_SESSION)
        else:
            return None
        named = dict(headers)
        repeated = len(named) < len(headers)
        if repeated or b"origin" in named or not self._names_us(named.get(b"host", b"")):
            return None
        if named.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in named:
            # A body is to be read, though nobody looks at it.
            return None
        asked_id = target[start : start + _ID_CHARACTERS].decode("latin-1").lower()
        return (self._list if method == b"GET" else self._activity)(asked_id, named, client)

    def _list(self, project_id: str, headers: Named, client: Client) -> Whole | None:
        now = self.clock.now()
        principal = self._principal(headers, now)
        if principal is None or self.projects.sees(principal, project_id) is None:
            return None
        if self.limits.take(principal.token_id, now):
            return None
        self._note_first_use(principal, headers, client)
        listing = self.reading.active(project_id, now)
        told = b"%b%betag: %b\r\n" % (_LISTED, self._request_id(), listing.etag)
        tags = headers.get(b"if-none-match")
        if tags is not None and (tags == listing.etag or matches(tags.decode("latin-1"), listing.etag)):
            self.answered["listProjectAgentSessions", 304] += 1
            return Whole(_UNCHANGED + told)
        self.answered["listProjectAgentSessions", 200] += 1
        return Whole(b"%b%bcontent-length: %d\r\n" % (_FOUND, told, len(listing.body)), listing.body)

    def _activity(self, session_id: str, headers: Named, client: Client) -> Whole | None:
        now = self.clock.now()
        principal = self._principal(headers, now)
        session = self._own(principal, session_id)
        if principal is None or session is None or not self.reading.database.writable:
            return None
        if not _is_free(session, now) and self.limits.take(principal.token_id, now):
            return None
        self._note_first_use(principal, headers, client)
        self.reading.registry.record_call(session, now)
        self.answered["recordActivity", 204] += 1
        return Whole(_RECORDED + self._request_id())

    def _own(self, principal: Principal | None, session_id: str) -> AgentSession | None:
        """A session in memory that this caller may mark, None where that is to be looked at more closely."""
        session = self.reading.registry.sessions.get(session_id)
        if principal is None or session is None or session.project_id is None:
            return None
        role = self.projects.sees(principal, session.project_id)
        if role is None or not may_act(role, principal.read_only) or session.user_id != principal.user_id:
            return None
        return None if end_of(session.registers) is not None else session

    def _is_free_activity(self, path: str, headers: Named) -> bool:
        """Whether an activity with a body, which is not answered at once, is not counted all the same."""
        now = self.clock.now()
        session_id = path[len(_SESSION) : -len(_ACTIVITY)].lower()
        session = self._own(self._principal(headers, now), session_id)
        return session is not None and _is_free(session, now)

    def _principal(self, headers: Named, now: Instant) -> Principal | None:
        try:
            return self.identity.authenticate(headers.get(b"authorization"), now)
        except Problem:
            return None

    def _request_id(self) -> bytes:
        return b"x-request-id: %b-%d\r\n" % (self._process, next(self._requests))

    async def _ordinary(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The rest of the application. A HEAD is a GET whose body uvicorn drops; a failure is a 500 with its id."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        scope["onduty.address"] = self._address(scope["headers"], scope.get("client"))
        if scope["method"] == "HEAD" and scope["path"] != "/mcp":
            scope = {**scope, "method": "GET", "onduty.is_head": True}
        try:
            await self.app(scope, receive, watched)
        except Problem as problem:
            await refuse(watched, problem)
        except Exception:
            _log.exception("a request failed")
            if begun:
                raise
            await refuse(send, Internal(request_id.get()))

    def _count(self, scope: Scope, status: int) -> None:
        route = scope.get("route")
        named = getattr(route, "operation_id", None) or getattr(route, "path", None)
        self.answered[named or ("mcp" if scope["path"] == "/mcp" else "none"), status] += 1

    def _note_first_use(self, principal: Principal, headers: Named, client: Client) -> None:
        if principal.token_id in self.identity.unused:
            self.identity.use_first(principal.at(self._address(list(headers.items()), client)))

    def _address(self, headers: Headers, client: Client) -> str:
        forwarded = [value for name, value in headers if name == b"x-forwarded-for"] if self.trusted else ()
        return caller_address(client[0] if client else "", forwarded, self.trusted)


def _is_free(session: AgentSession, now: Instant) -> bool:
    """Whether an activity of the session is not counted (design.md 5): one was marked within the last second."""
    return now - session.registers.call <= _COUNTED_AFTER_MS


def _dressed(
    send: Send,
    own: Headers,
    always: Iterable[tuple[bytes, bytes]] = ALWAYS,
    counted: Callable[[int], None] = lambda _: None,
) -> Send:
    """Every answer carries the headers that all carry, whoever made it, and is counted."""
    added = [*always, *own]
    beside_its_own_policy = [pair for pair in added if pair[0] != POLICY]

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = message["headers"]
            has_policy = any(name == POLICY for name, _ in told)
            message["headers"] = [*told, *(beside_its_own_policy if has_policy else added)]
            counted(message["status"])
        await send(message)

    return dressed
