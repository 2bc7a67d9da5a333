"""What a token looks like and what it lets through. Pure: random bytes and `now` are given."""

import hashlib
import re
import unicodedata
import zlib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Self

from onduty.cleaning import clean
from onduty.clock import Instant
from onduty.errors import Invalid

PREFIX = "ody_"
RANDOM_BYTES = 32
"""What `new_token` and `new_secret` need; of a token's 30 characters that is every bit, with no bias worth the name."""

IDLE_MS: Final = 14 * 24 * 3600 * 1000
ALL_MS: Final = 90 * 24 * 3600 * 1000
PROOF_MS: Final = 60 * 60 * 1000
"""For so long after a sign-in by a link nobody is asked for their password: they may have come because they lost it."""
EMAIL: Final = 254

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"ody_[0-9A-Za-z]{36}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request speaks for: a user, through one token.

    `project_ids` is what the token is narrowed to (None: all of its user's); `machine_id` and `caller_role` are the
    defaults where a request names none. `address` is where the request came from, None outside of one. Whoever asks
    from a browser has no token: `browser_id` is their browser session.
    """

    token_id: str
    public_id: str
    user_id: str
    name: str
    project_ids: frozenset[str] | None = None
    read_only: bool = False
    metrics: bool = False
    machine_id: str | None = None
    caller_role: str | None = None
    expires_at: Instant | None = None
    address: str | None = field(default=None, compare=False)
    browser_id: str | None = None

    @property
    def machine(self) -> str:
        """The machine of a request that names none."""
        return self.machine_id or f"token-{self.public_id}"

    def at(self, address: str) -> Self:
        """The same, asking from that address."""
        return replace(self, address=address)

    def expired(self, now: Instant) -> bool:
        """Whether the token is no longer taken; at the very instant of its expiry it is not."""
        return self.expires_at is not None and now >= self.expires_at


def new_token(random: bytes) -> str:
    """A token from at least `RANDOM_BYTES` random bytes."""
    _need(random)
    body = PREFIX + _base62(int.from_bytes(random, "big"), 30)
    return body + _checksum(body)


def well_formed(text: str) -> bool:
    """Whether it can be a token at all: a typo is refused here, before any look-up."""
    return _TOKEN.fullmatch(text) is not None and _checksum(text[:-6]) == text[-6:]


def new_secret(random: bytes) -> str:
    """A secret for links, from at least `RANDOM_BYTES` random bytes: hexadecimal, so never like a token."""
    _need(random)
    return random.hex()


def digest(secret: str) -> bytes:
    """What is stored of a token or secret. Plain SHA-256 will do: nobody guesses 128 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


_BEARER_BYTES = 64  # what "Bearer" and a token take, and a little white space; more is not worth remembering


def digest_of(authorization: bytes) -> bytes | None:
    """The digest of the token that an Authorization header's value bears, None where it bears none."""
    return _digest_of(authorization) if len(authorization) <= _BEARER_BYTES else None


@lru_cache(maxsize=4096)
def _digest_of(authorization: bytes) -> bytes | None:
    scheme, _, secret = authorization.decode("latin-1").partition(" ")
    secret = secret.strip()
    return digest(secret) if scheme.lower() == "bearer" and well_formed(secret) else None


def _need(random: bytes) -> None:
    if len(random) < RANDOM_BYTES:
        raise ValueError(f"needs {RANDOM_BYTES} random bytes")


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), 6)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody signs in: the browser by its name, and the address that it asked from."""

    browser: str
    address: str


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser session. `by_password`: signed in by that, else by a one-time link."""

    id: str
    user_id: str
    place: Place
    by_password: bool
    created_at: Instant
    last_seen_at: Instant

    def is_over(self, now: Instant) -> bool:
        """Whether it lay idle for too long, or is too old."""
        return now - self.last_seen_at > IDLE_MS or now - self.created_at > ALL_MS

    def proves(self, now: Instant) -> bool:
        """Whether a one-time link was spent for it so lately that its user need not give a password."""
        return not self.by_password and now - self.created_at <= PROOF_MS


@dataclass(frozen=True, slots=True)
class Account:
    """What a person signs in by: both or neither of the two is there."""

    user_id: str
    email: str | None
    password_hash: str | None


def folded(email: str) -> str:
    """An e-mail address as it is compared and kept."""
    return unicodedata.normalize("NFKC", clean(email)).casefold()


def email_of(text: str) -> str:
    """An e-mail address that may be kept, folded. Invalid at `email`. Nothing is sent there: it is a name."""
    email = folded(text)
    if len(email) > EMAIL or not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        raise Invalid.at("email", "must be an e-mail address, like name@example.com")
    return email


# What a browser calls itself, most telling first: several claim to be others too.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str) -> str:
    """A browser in words of ours alone: `Firefox on Linux`."""
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), "Another browser")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), None)
    return f"{browser} on {system}" if system else browser
