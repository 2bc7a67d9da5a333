"""Calls to a server's REST interface: one origin, its own token, no redirect followed."""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from onduty.client import credentials

TIMEOUT_S = 10.0
_LONGEST = 64 * 1024 * 1024
_TOKEN = re.compile(r"[!-~]+")


class NotReached(Exception):  # noqa: N818
    """No server answered there, or something that is none. One line."""


class NotSignedIn(Exception):  # noqa: N818
    """There is no server to ask, or no credential for it. One line."""


class Refused(Exception):  # noqa: N818
    """The server's answer is an error: `status`, and the error object (`error`, `code`, …)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("error") or f"The server answers {status}"))
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code") or "")


@dataclass(frozen=True)
class Answer:
    """What the server said. `now_ms` is its own time (the Date header, whole seconds), None where it tells none."""

    status: int
    body: Any
    now_ms: int | None


@dataclass(frozen=True)
class Server:
    """A server and the token for it. `project` is the credential's default, None with a token from elsewhere."""

    origin: str
    token: str | None
    project: str | None = None
    from_environment: bool = False

    def get(self, *path: str, query: Mapping[str, str] | None = None) -> Answer:
        """GET of a path's parts, each escaped."""
        return self.call("GET", *path, query=query)

    def post(self, *path: str, body: Any) -> Answer:
        """POST of a JSON body."""
        return self.call("POST", *path, body=body)

    def call(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """One request on a connection of its own. Refused for an error answer, NotReached where there is no answer."""
        headers = {"Accept": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        sent = None if body is None else json.dumps(body).encode()
        return self._answer(*self._exchange(method, _target(path, query), sent, headers))

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = _connection(self.origin)
        try:
            with _reaching(self.origin):
                connection.request(method, target, body, headers)
                response = connection.getresponse()
                return response, response.read(_LONGEST)
        finally:
            connection.close()

    @contextmanager
    def opened(
        self, *path: str, query: Mapping[str, str], headers: Mapping[str, str], timeout_s: float
    ) -> Iterator[http.client.HTTPResponse]:
        """A GET whose answer is read as it comes, by who asked. Refused or NotReached until it begins.

        After that reading is an OSError where nothing comes for `timeout_s`, or the connection breaks.
        """
        connection = _connection(self.origin)
        sent = {**headers, **({} if self.token is None else {"Authorization": f"Bearer {self.token}"})}
        try:
            with _reaching(self.origin):
                connection.request("GET", _target(path, query), None, sent)
                response = connection.getresponse()
                said = b"" if response.status == 200 else response.read(_LONGEST)
            if response.status != 200:
                self._answer(response, said)
                raise NotReached(f"What answers at {self.origin} is not Onduty")
            if connection.sock is not None:
                connection.sock.settimeout(timeout_s)
            yield response
        finally:
            connection.close()

    def _answer(self, response: http.client.HTTPResponse, body: bytes) -> Answer:
        if 300 <= response.status < 400:
            raise NotReached(f"{self.origin} sends elsewhere, and no redirect is followed: name the server itself")
        try:
            said = json.loads(body) if body else None
        except (ValueError, RecursionError):
            said = None
        if response.status >= 400:
            raise Refused(response.status, said if isinstance(said, dict) else {})
        if body and not isinstance(said, dict):
            raise NotReached(f"What answers at {self.origin} is not Onduty")
        return Answer(response.status, said, _instant(response.headers.get("Date")))


def pages(server: Server, name: str, *path: str) -> Iterator[Any]:
    """Each item of a list that comes in pages, `name` being its field."""
    query: dict[str, str] = {}
    while True:
        body = server.get(*path, query=query).body
        yield from body[name]
        if not body.get("next_cursor"):
            return
        query = {"cursor": body["next_cursor"]}


def server_in_use(environment: Mapping[str, str] | None = None) -> Server:
    """The server that a command speaks to, with its token. NotSignedIn where there is none, CredentialsError.

    The address is ONDUTY_SERVER, else the credential used last; the token ONDUTY_TOKEN, else that origin's credential.
    """
    environment = os.environ if environment is None else environment
    file = credentials.path(environment)
    address = environment.get("ONDUTY_SERVER", "").strip() or credentials.default_origin(file)
    if not address:
        raise NotSignedIn("No server is known here: start one (onduty serve), or set ONDUTY_SERVER and ONDUTY_TOKEN")
    try:
        origin = credentials.origin_of(address)
    except credentials.CredentialsError as error:
        raise credentials.CredentialsError(f"ONDUTY_SERVER: {error}") from None
    if token := environment.get("ONDUTY_TOKEN", "").strip():
        return Server(origin, _sendable(token, "ONDUTY_TOKEN"), from_environment=True)
    kept = credentials.find(origin, file)
    if kept is None:
        others = ", ".join(credentials.origins(file))
        raise NotSignedIn(
            f"No credential is kept for {origin}: set ONDUTY_TOKEN"
            + (f", or unset ONDUTY_SERVER (there is one for {others})" if others else "")
        )
    return Server(origin, _sendable(kept.token, str(file)), kept.project)


def _sendable(token: str, where: str) -> str:
    # Anything else would break the header that it stands in.
    if not _TOKEN.fullmatch(token):
        raise NotSignedIn(f"What {where} holds is not a token")
    return token


def _target(path: Sequence[str], query: Mapping[str, str] | None) -> str:
    return "/" + "/".join(quote(part, safe="") for part in path) + (f"?{urlencode(query)}" if query else "")


@contextmanager
def _reaching(origin: str) -> Iterator[None]:
    """What may go wrong on the way is NotReached, in one line."""
    try:
        yield
    except ssl.SSLError as error:
        raise NotReached(f"{origin} cannot be trusted: {error.reason or error}") from None
    except TimeoutError:
        raise NotReached(f"{origin} does not answer within {TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise NotReached(f"No server is reached at {origin}: {error.strerror or error}") from None
    except UnicodeError:
        raise NotReached(f"No server is reached at {origin}: this is no host name") from None
    except http.client.HTTPException:
        raise NotReached(f"What answers at {origin} is not Onduty") from None


def _connection(origin: str) -> http.client.HTTPConnection:
    parts = urlsplit(origin)
    assert parts.hostname is not None
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)


def _instant(date: str | None) -> int | None:
    try:
        return None if date is None else int(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return None
