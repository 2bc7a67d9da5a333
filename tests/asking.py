"""One HTTP request at a time, by the standard library: what a test sends is what goes over the wire."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPMessage
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a server said. `headers` are looked up in any case; `get_all` gives those that came more than once."""

    status: int
    headers: HTTPMessage
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body, read as JSON; None where there is no body."""
        return json_text.loads(self.body) if self.body else None


def ask(
    port: int,
    method: str,
    path: str,
    *,
    token: str | None = None,
    json: Any = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10,
) -> Answer:
    """Sends one request to 127.0.0.1 on a connection of its own. No redirect is followed, and `timeout` is in seconds.

    `json` is sent as a JSON body, `body` as it is; `headers` come last and so win over what these two set.
    Raises OSError where nobody answers.
    """
    sent = {"Authorization": f"Bearer {token}"} if token else {}
    if json is not None:
        body = json_text.dumps(json).encode()
        sent["Content-Type"] = "application/json"
    with closing(HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
        connection.request(method, path, body, {**sent, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
