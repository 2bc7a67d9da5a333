"""The front's two hot operations and the ordinary routes say the same, and the hot ones touch no database.

Two servers over two copies of one database, at one clock: one is asked, the other is asked the same in words that the
front leaves to the ordinary routes (a parameter that is ignored, a body that is not looked at).
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from onduty.answers import Receive, Scope, Send
from tests.inside import Inside, Request, Still, Told, furnish, opened

_FILE = "onduty.sqlite3"
_SPANS = (0, 0, 0, 1, 7, 400, 999, 1_000, 1_001, 20_000, 59_999, 60_001, 299_999, 300_001, 1_800_001)


@dataclass
class Pair:
    """The same server twice: `hot` as it is asked, `ordinary` by the other way. `sessions` are ids by what they are."""

    clock: Still
    hot: Inside
    ordinary: Inside
    sessions: dict[str, str]
    other_project: str
    left_to_routes: int = 0
    tag: bytes = b'"none"'

    async def ask(self, request: Request) -> tuple[Told, Told]:
        """The answers of both."""
        told = await self.hot.ask(request)
        return told, await self.ordinary.ask(_unusual(request))

    async def both(self, who: str, method: str, path: str, json: Any = None) -> None:
        """Something else that happens, to both alike."""
        one = await self.hot.call(who, method, path, json)
        other = await self.ordinary.call(who, method, path, json)
        assert (one.status, one.body) == (other.status, other.body)


def _unusual(request: Request) -> Request:
    """The same question, in words that the front does not answer."""
    query = request.query + b"&x=1" if request.query else b"x=1"
    named = dict(request.headers)
    bodiless = named.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in named
    if request.method == "POST" and bodiless and not request.path.endswith("agent-sessions"):
        kept = tuple(header for header in request.headers if header[0] != b"content-length")
        return replace(request, query=query, headers=(*kept, (b"content-length", b"1")), body=b" ")
    return replace(request, query=query)


async def _populate(inside: Inside, clock: Still) -> dict[str, str]:
    """Sessions of every kind, by name."""
    project = f"/api/projects/{inside.project_id}/agent-sessions"
    found: dict[str, str] = {}
    for name, who in (("own", "Alice"), ("second", "Alice"), ("ended", "Alice"), ("bobs", "Bob"), ("silent", "Alice")):
        made = await inside.call(
            who, "POST", project, {"machine_id": "laptop", "client_ref": name, "caller_role": name}
        )
        found[name] = made.json["session_id"]
        clock.instant += 5
    await inside.call("Alice", "DELETE", f"/api/agent-sessions/{found['ended']}")
    event = {"id": "1", "kind": "prompt", "at": "2026-01-01T00:00:00Z", "session": "free"}
    batch = {"sent_at": "2026-01-01T00:00:00Z", "machine_id": "laptop", "events": [event]}
    free = await inside.call("Alice", "POST", "/api/agent-events", batch)
    found["unbound"] = free.json["results"][0]["session_id"]
    clock.instant += 299_000
    for name in ("own", "bobs"):
        await inside.call("Bob" if name == "bobs" else "Alice", "POST", f"/api/agent-sessions/{found[name]}/activity")
    await inside.rooms.keeping.flush()
    return found


@asynccontextmanager
async def _pair(folder: Path, rate_limit: int = 0) -> AsyncIterator[Pair]:
    clock, first = Still(), folder / _FILE
    tokens, project_id = await furnish(first, clock)
    async with opened(first, clock, tokens, project_id) as inside:
        sessions = await _populate(inside, clock)
        projects = (await inside.call("Charlie", "GET", "/api/projects")).json["projects"]
    second = folder / "second" / _FILE
    second.parent.mkdir()
    shutil.copyfile(first, second)
    async with AsyncExitStack() as stack:
        hot, ordinary = [
            await stack.enter_async_context(opened(path, clock, tokens, project_id, rate_limit))
            for path in (first, second)
        ]
        pair = Pair(clock, hot, ordinary, sessions, projects[0]["id"])
        _count(pair)
        yield pair


def _count(pair: Pair) -> None:
    """Count what the hot server leaves to the ordinary routes."""
    routes = pair.hot.front.app

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        pair.left_to_routes += 1
        await routes(scope, receive, send)

    pair.hot.front.app = counted


class Asking:
    """A stream of requests, most of them ordinary people's, some odd in one way or several."""

    def __init__(self, pair: Pair, seed: int, spans: tuple[int, ...]) -> None:
        self.pair = pair
        self.spans = spans
        self.chance = random.Random(seed)

    def next(self) -> Request:
        if self.chance.random() < 0.5:
            path, method = self._list(), self._odd("GET", "HEAD", "POST", "PUT", "OPTIONS", "get", share=0.3)
        else:
            path, method = self._activity(), self._odd("POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", share=0.3)
        headers = [*self._authorization(), *self._tags(), *self._rest()]
        body = b""
        if method == "POST":
            more, body = self._body()
            headers += more
        self.chance.shuffle(headers)
        return Request(method, path, self._query(), tuple(headers), body)

    def _odd(self, usual: Any, *others: Any, share: float = 0.25) -> Any:
        return self.chance.choice(others) if self.chance.random() < share else usual

    def _list(self) -> str:
        own = self.pair.hot.project_id
        others = (
            own.upper(),
            self.pair.other_project,
            str(uuid4()),
            "x",
            own + "\n",
            own.replace("-", ""),
            f"{{{own}}}",
        )
        path = f"/api/projects/{self._odd(own, *others)}/agent-sessions"
        return str(self._odd(path, path + "/", path.upper(), "/" + path, share=0.03))

    def _activity(self) -> str:
        ids = self.pair.sessions
        named = self._odd(ids["own"], *ids.values(), *ids.values(), ids["own"].upper(), str(uuid4()), "x", share=0.6)
        path = f"/api/agent-sessions/{named}/activity"
        return str(self._odd(path, path + "/", path + "\n", share=0.03))

    def _authorization(self) -> list[tuple[bytes, bytes]]:
        tokens = self.pair.hot.tokens
        secret = tokens[self._odd("Alice", *tokens, share=0.5)]
        usual = f"Bearer {secret}"
        others = [f"bearer {secret}", f"Bearer  {secret} ", f"Bearer\t{secret}", secret, f"Bearer {secret[:-1]}", ""]
        others += [f"Bearer {secret} x", f"Basic {secret}", "Bearer", f"Bearer {secret[:-1]}\xe9", f"BEARER {secret}"]
        value = (b"authorization", str(self._odd(usual, *others, share=0.15)).encode("latin-1"))
        return list(self._odd([value], [], [value, value], share=0.06))

    def _tags(self) -> list[tuple[bytes, bytes]]:
        tag = self.pair.tag
        one = (
            b"if-none-match",
            self.chance.choice([tag, tag, b"W/" + tag, b"*", b'"x", ' + tag, tag[:-1], b"\xff", b""]),
        )
        return list(self._odd([], [one], [one], [one], [one, (b"if-none-match", b'"y"')], share=0.5))

    def _rest(self) -> list[tuple[bytes, bytes]]:
        odd = [(b"origin", b"https://evil.example"), (b"origin", b"http://127.0.0.1"), (b"host", b"evil.example")]
        odd += [
            (b"host", b"localhost:99999"),
            (b"accept", b"text/html"),
            (b"accept-encoding", b"gzip"),
            (b"cookie", b"a=b"),
        ]
        odd += [(b"onduty-session", b"x"), (b"x-forwarded-for", b"1.2.3.4"), (b"range", b"bytes=0-1"), (b"te", b"\xff")]
        return [odd[self.chance.randrange(len(odd))]] if self.chance.random() < 0.15 else []

    def _query(self) -> bytes:
        odd = [b"active=false", b"active=True", b"active=", b"limit=2", b"limit=0", b"state=idle", b"state=x", b"x=1"]
        odd += [b"active=true&active=true", b"%61ctive=true", b"active=%74rue", b"cursor=x", b"active=true&limit=1"]
        odd += [b"&", b"%ff=%00"]
        return bytes(self._odd(b"", b"active=true", *odd, share=0.4))

    def _body(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        chunked, json = (b"transfer-encoding", b"chunked"), (b"content-type", b"application/json")
        ways: list[tuple[list[tuple[bytes, bytes]], bytes]] = [
            ([(b"content-length", b"0")], b""),
            ([(b"content-length", b"2"), json], b"{}"),
            ([(b"content-length", b"3")], b"\0\xffx"),
            ([chunked], b""),
            ([chunked, json], b"{"),
            ([(b"content-length", b"9999999")], b""),
        ]
        return self.chance.choice(ways) if self.chance.random() < 0.3 else ([], b"")

    async def meanwhile(self) -> None:
        """Time passes; now and then something else happens."""
        self.pair.clock.instant += self.chance.choice(self.spans[:9] if self.chance.random() < 0.9 else self.spans)
        if self.chance.random() > 0.06:
            return
        ids, project = self.pair.sessions, self.pair.hot.project_id
        name = self.chance.choice(("own", "second", "silent", "ended"))
        session, register = f"/api/agent-sessions/{ids[name]}", f"/api/projects/{project}/agent-sessions"
        event = {
            "id": str(self.chance.random()),
            "kind": self.chance.choice(("prompt", "turn_ended", "waiting", "end")),
        }
        batch = {"sent_at": "2026-01-01T00:00:00Z", "project_id": project, "machine_id": "laptop"}
        told = {**event, "at": "2026-01-01T00:00:00Z", "session": name, "stamp": self.pair.clock.instant}
        await self.chance.choice(
            (
                lambda: self.pair.both("Alice", "DELETE", session),
                lambda: self.pair.both("Alice", "PATCH", session, {"said": str(self.chance.random())}),
                lambda: self.pair.both("Alice", "POST", register, {"machine_id": "laptop", "client_ref": name}),
                lambda: self.pair.both("Alice", "POST", "/api/agent-events", {**batch, "events": [told]}),
            )
        )()


def _that_matter(told: Told) -> list[tuple[bytes, bytes]]:
    return sorted(header for header in told.headers if header[0] != b"x-request-id")


def _without_id(told: Told) -> bytes:
    return told.body if told.status != 500 else b""


async def _same_answers(folder: Path, seed: int, requests: int, rate_limit: int = 0) -> dict[int, int]:
    """Ask both; how often each status was answered."""
    statuses: dict[int, int] = {}
    async with _pair(folder, rate_limit) as pair:
        asking = Asking(pair, seed, _SPANS[:9] if rate_limit else _SPANS)
        for number in range(requests):
            await asking.meanwhile()
            request = asking.next()
            hot, ordinary = await pair.ask(request)
            where = f"request {number} of seed {seed}: {request}"
            assert (hot.status, hot.body) == (ordinary.status, ordinary.body), where
            assert _that_matter(hot) == _that_matter(ordinary), where
            statuses[hot.status] = statuses.get(hot.status, 0) + 1
            pair.tag = dict(hot.headers).get(b"etag", pair.tag)
        refused_in_front = statuses.get(421, 0)
        hot_answers = requests - pair.left_to_routes - refused_in_front
        assert hot_answers > requests / 10, "too few reached what is compared"
    return statuses


@pytest.mark.parametrize("seed", range(3))
def test_both_paths_give_the_same_answers(tmp_path: Path, seed: int) -> None:
    """A thousand requests each time: status, headers and body are the same, and every kind of answer occurs."""
    statuses = asyncio.run(_same_answers(tmp_path, seed, 1_000))
    assert {200, 204, 304, 400, 401, 403, 404, 405, 409, 413, 421} <= set(statuses)
    assert 500 not in statuses


def test_both_paths_count_the_same(tmp_path: Path) -> None:
    """With little room a minute, both are refused at the same request, and free activity is free on both."""
    statuses = asyncio.run(_same_answers(tmp_path, 11, 1_000, 60))
    assert {200, 204, 429} <= set(statuses)


def test_the_hot_operations_run_no_statement(tmp_path: Path) -> None:
    """Listing what is active and recording activity run 0 statements, on either path; the write comes behind."""

    async def story() -> None:
        async with _pair(tmp_path) as pair:
            inside, own = pair.hot, f"/api/agent-sessions/{pair.sessions['own']}"
            listed = f"/api/projects/{inside.project_id}/agent-sessions"
            before = inside.rooms.database.statements
            for number in range(50):
                pair.clock.instant += 700
                assert (await inside.call("Alice", "POST", own + "/activity")).status == 204
                for query in ("", "?active=true", "?x=1", "?limit=2", "?state=working"):
                    assert (await inside.call("Alice", "GET", listed + query)).status == 200, number
            assert inside.rooms.database.statements == before
            assert pair.left_to_routes == 150
            await inside.rooms.keeping.flush()
            assert inside.rooms.database.statements > before

    asyncio.run(story())
