"""Which Host and Origin headers are ours (design.md section 5, Browsers)."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from onduty.settings import is_loopback

_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)


@dataclass(slots=True)
class Origins:
    """`port` is where this server listens, known once it does; `public_url` and `cors` are origins without a path."""

    public_url: str | None
    cors: tuple[str, ...] = ()
    port: int = 0

    def names_us(self, host: bytes) -> bool:
        """Whether a Host header names loopback or the public URL's host, whatever the port."""
        name = host_name(host.decode("latin-1"))
        return name is not None and (is_loopback(name) or (self.public_url is not None and name == self._public_host()))

    def is_own(self, origin: str, host: bytes) -> bool:
        """Whether an Origin header is the server's own: the public URL, or the very address that was asked."""
        if self.public_url is not None and origin == self.public_url:
            return True
        name = host_name(host.decode("latin-1"))
        asked = host.decode("latin-1").lower()
        return name is not None and is_loopback(name) and origin.lower() in (f"http://{asked}", f"https://{asked}")

    def is_listed(self, origin: str) -> bool:
        """Whether an Origin may read answers across origins; exact."""
        return origin in self.cors

    def _public_host(self) -> str | None:
        return urlsplit(self.public_url or "").hostname


def host_name(host: str) -> str | None:
    """The name in a Host header, lower case, without brackets, port and a final dot; None if it is no host."""
    found = _HOST.fullmatch(host)
    if found is None or (found[2] and int(found[2]) > 65_535):
        return None
    return found[1].strip("[]").removesuffix(".").lower()


_EXPOSED: Final = b"ETag, Link, Retry-After, Mcp-Session-Id, X-Request-Id"
_TAKEN: Final = (
    b"Authorization, Content-Type, If-None-Match, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, "
    b"Mcp-Method, Mcp-Name, Onduty-Machine, Onduty-Project, Onduty-Session"
)
_NO_COOKIE: Final = ("/api/", "/static/", "/client/", "/livez", "/readyz", "/healthz", "/metrics")


def takes_no_foreigner(path: str) -> bool:
    """Whether a foreign Origin is refused there: the MCP endpoint, streams, and everything that takes a cookie."""
    return path == "/mcp" or path.endswith("/stream") or not path.startswith(_NO_COOKIE)


def takes_cors(path: str) -> bool:
    """Where a listed origin may read answers."""
    return path == "/mcp" or path.startswith("/api/")


def cors_headers(origin: bytes) -> list[tuple[bytes, bytes]]:
    """What lets a listed origin read an answer; never with credentials."""
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"Origin"),
    ]


def preflight_headers(origin: bytes) -> list[tuple[bytes, bytes]]:
    """The answer to a listed origin's preflight."""
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"GET, HEAD, POST, PATCH, DELETE"),
        (b"access-control-allow-headers", _TAKEN),
        (b"access-control-max-age", b"600"),
        (b"vary", b"Origin"),
    ]
