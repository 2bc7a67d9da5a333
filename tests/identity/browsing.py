"""People with browsers, in the application in this process: what they open and send, on a clock that a test moves."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

from tests.inside import Inside, Request, Still, Told, furnish, opened
from tests.people import ALICE

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
_hosts = count(1)


@dataclass(eq=False)
class Browser:
    """A browser that keeps one cookie, at an address of its own."""

    place: Inside
    agent: str = FIREFOX
    address: str = ""
    cookie: str = ""

    def __post_init__(self) -> None:
        self.address = self.address or f"198.51.100.{next(_hosts)}"

    async def get(self, path: str) -> Told:
        return await self._ask("GET", path, b"")

    async def post(self, path: str, **fields: str) -> Told:
        """Send a form as a page of ours does."""
        return await self._ask("POST", path, urlencode(fields).encode(), (b"origin", b"http://127.0.0.1"))

    async def come_by_link(self, who: str = ALICE.name) -> Browser:
        made = await self.place.call(who, "POST", "/api/sign-in-links")
        said = await self.post("/sign-in", secret=made.json["url"])
        assert said.status == 303, said.body
        return self

    async def come(self, email: str, password: str) -> Told:
        return await self.post("/sign-in", email=email, password=password)

    async def is_in(self) -> bool:
        """Whether a page is shown to it, without being sent to sign in."""
        return (await self.get("/projects")).status == 200

    async def _ask(self, method: str, path: str, body: bytes, *more: tuple[bytes, bytes]) -> Told:
        headers = [(b"user-agent", self.agent.encode()), (b"content-length", b"%d" % len(body)), *more]
        if self.cookie:
            headers.append((b"cookie", self.cookie.encode()))
        if body or method == "POST":
            headers.append((b"content-type", b"application/x-www-form-urlencoded"))
        path, _, query = path.partition("?")
        said = await self.place.ask(Request(method, path, query.encode(), tuple(headers), body, self.address))
        for name, value in said.headers:
            if name == b"set-cookie" and value.startswith(b"onduty="):
                self.cookie = value.decode().partition(";")[0]
        return said


def words(said: Told) -> str:
    """What a person reads on the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", said.body.decode())).split())


def errors(said: Told) -> dict[str, str]:
    """What stands under the fields that are wrong, by the fields' ids."""
    found = re.findall(r'<span class="error" id="([\w-]+)-error">([^<]*)<', said.body.decode())
    return {field: html.unescape(said_there) for field, said_there in found}


def leads_to(said: Told) -> str:
    """Where a page sends its browser on to."""
    assert said.status == 303, said.body
    return dict(said.headers)[b"location"].decode()


def visit(folder: Path, story: Callable[[Inside, Still], Awaitable[None]]) -> None:
    """Run a story in a server whose people are Alice, Bob, Vera and Charlie."""

    async def run() -> None:
        clock = Still()
        path = folder / "data.sqlite3"
        tokens, project_id = await furnish(path, clock)
        async with opened(path, clock, tokens, project_id) as place:
            await story(place, clock)

    asyncio.run(run())
