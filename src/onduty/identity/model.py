"""What a token looks like and what it lets through. Pure: random bytes and `now` are given."""

import hashlib
import re
import zlib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Self

from onduty.clock import Instant

PREFIX = "ody_"
RANDOM_BYTES = 32
"""What `new_token` and `new_secret` need; of a token's 30 characters that is every bit, with no bias worth the name."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"ody_[0-9A-Za-z]{36}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request speaks for: a user, through one token.

    `project_ids` is what the token is narrowed to (None: all of its user's); `machine_id` and `caller_role` are the
    defaults where a request names none. `address` is where the request came from, None outside of one.
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
