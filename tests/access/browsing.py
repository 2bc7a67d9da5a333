"""The world's people, each with a browser that is signed in: what pages answer them over plain HTTP."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.access.world import NOBODY, World, elsewhere_from
from tests.asking import Answer

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Browsing:
    world: World
    cookies: dict[str, str] = field(default_factory=lambda: {NOBODY: ""})

    def get(self, who: str, path: str, **headers: str) -> Answer:
        return self.world.server.call("GET", path, token=None, headers={**self._cookie(who), **headers})

    def post(self, who: str, path: str, **fields: str) -> Answer:
        headers = {**_FORM, **self._cookie(who)}
        return self.world.server.call("POST", path, token=None, body=urlencode(fields).encode(), headers=headers)

    def _cookie(self, who: str) -> dict[str, str]:
        if who not in self.cookies:
            link = self.world.did(who, "POST", "/sign-in-links")["url"]
            body = urlencode({"secret": link}).encode()
            headers = {**_FORM, **elsewhere_from()}
            answer = self.world.server.call("POST", "/sign-in", token=None, body=body, headers=headers)
            assert answer.status == 303, answer.body
            self.cookies[who] = str(answer.headers["set-cookie"]).partition(";")[0]
        return {"Cookie": self.cookies[who]} if self.cookies[who] else {}


def words(answer: Answer) -> str:
    """What a person reads on the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.body.decode())).split())
