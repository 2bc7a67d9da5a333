"""The two hot operations, before everything else, and what holds for every request.

A plain ASGI callable: it checks Host and Origin, tells each request apart, answers the list of a project's active
sessions and bare activity out of memory, and hands everything unusual to the ordinary routes, which give the same
answers (tests/test_front.py compares them).
"""

import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from onduty.addresses import Networks, caller_address
from onduty.answers import ALWAYS, JSON, Application, Headers, Message, Receive, Scope, Send, answer, refuse
from onduty.clock import Clock
from onduty.errors import Forbidden, Internal, Invalid, Misdirected, Problem
from onduty.identity.service import Identity, Principal
from onduty.limits import Limits
from onduty.origins import Origins, cors_headers, preflight_headers, takes_cors, takes_no_foreigner
from onduty.projects.service import Projects, may_act
from onduty.sessions.reading import Reading
from onduty.sessions.reading_routes import matches
from onduty.sessions.service import end_of

_log = logging.getLogger(__name__)

_HEX: Final = "[0-9a-fA-F]"
_UUID: Final = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_LIST: Final = re.compile(f"/api/projects/({_UUID})/agent-sessions")
_ACTIVITY: Final = re.compile(f"/api/agent-sessions/({_UUID})/activity")
_USUAL_QUERIES: Final = (b"", b"active=true")
_LISTED: Final[Headers] = [(b"cache-control", b"private, no-cache"), (b"vary", b"Authorization")]
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
    trusted: Networks = ()
    _process: str = field(default_factory=lambda: secrets.token_hex(3))
    _requests: "count[int]" = field(default_factory=count)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = {}
        twice = False
        for name, value in scope["headers"]:
            if name in headers:
                twice = twice or name in (b"host", b"authorization")
                value = headers[name] + b", " + value
            headers[name] = value
        request_id = f"{self._process}-{next(self._requests)}"
        scope["onduty.request_id"] = request_id
        send = _dressed(send, [(b"x-request-id", request_id.encode())])
        if twice or b"host" not in headers:
            await refuse(send, Invalid("The request needs one Host header and at most one Authorization header"))
        elif not self.origins.names_us(headers[b"host"]):
            await refuse(send, Misdirected())
        elif b"origin" in headers:
            await self._across(scope, receive, send, headers)
        elif not await self._hot(scope, headers, send):
            await self._ordinary(scope, receive, send)

    async def _across(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes]) -> None:
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

    async def _hot(self, scope: Scope, headers: dict[bytes, bytes], send: Send) -> bool:
        """Answer one of the two hot operations; False, and nothing done, where anything about it is unusual."""
        path = scope["path"]
        if scope["method"] == "GET":
            if scope["query_string"] in _USUAL_QUERIES and (found := _LIST.fullmatch(path)):
                return await self._list(found[1].lower(), scope, headers, send)
            return False
        if scope["method"] == "POST" and (found := _ACTIVITY.fullmatch(path)):
            return await self._activity(found[1].lower(), scope, headers, send)
        return False

    async def _list(self, project_id: str, scope: Scope, headers: dict[bytes, bytes], send: Send) -> bool:
        now = self.clock.now()
        try:
            principal = self.identity.authenticate(headers.get(b"authorization"), now)
            self.projects.role(principal, project_id)
        except Problem:
            return False
        if self.limits.take(principal.token_id, now):
            return False
        self._note_first_use(scope, principal)
        listing = self.reading.active(project_id, now)
        told = [*_LISTED, (b"etag", listing.etag)]
        tags = headers.get(b"if-none-match")
        if tags is not None and matches(tags.decode("latin-1"), listing.etag):
            await answer(send, 304, told)
        else:
            await answer(send, 200, [JSON, *told], listing.body)
        return True

    async def _activity(self, session_id: str, scope: Scope, headers: dict[bytes, bytes], send: Send) -> bool:
        now = self.clock.now()
        session = self.reading.registry.sessions.get(session_id)
        if session is None or session.project_id is None:
            return False
        try:
            principal = self.identity.authenticate(headers.get(b"authorization"), now)
        except Problem:
            return False
        role = self.projects.sees(principal, session.project_id)
        if role is None or not may_act(role, principal.read_only) or session.user_id != principal.user_id:
            return False
        if end_of(session.registers) is not None:
            return False
        is_free = now - session.registers.call <= _COUNTED_AFTER_MS
        if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
            # A body is read and not looked at; counted or not is the same.
            scope["onduty.counted"] = is_free
            return False
        if not is_free and self.limits.take(principal.token_id, now):
            return False
        self._note_first_use(scope, principal)
        self.reading.registry.record_call(session, now)
        await answer(send, 204, ())
        return True

    async def _ordinary(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The rest of the application. A HEAD is a GET whose body uvicorn drops; a failure is a 500 with its id."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        scope["onduty.address"] = self._address(scope)
        if scope["method"] == "HEAD" and scope["path"] != "/mcp":
            scope = {**scope, "method": "GET"}
        try:
            await self.app(scope, receive, watched)
        except Problem as problem:
            await refuse(watched, problem)
        except Exception:
            _log.exception("request %s failed", scope["onduty.request_id"])
            if begun:
                raise
            await refuse(send, Internal(scope["onduty.request_id"]))

    def _note_first_use(self, scope: Scope, principal: Principal) -> None:
        if principal.token_id in self.identity.unused:
            self.identity.use_first(principal.at(self._address(scope)))

    def _address(self, scope: Scope) -> str:
        client = scope.get("client")
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"] if self.trusted else ()
        return caller_address(client[0] if client else "", forwarded, self.trusted)


def _dressed(send: Send, own: Headers, always: Iterable[tuple[bytes, bytes]] = ALWAYS) -> Send:
    """Every answer carries the headers that all carry, whoever made it."""
    added = [*always, *own]

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *added]
        await send(message)

    return dressed
