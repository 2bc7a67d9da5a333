"""Which passwords may be chosen, and how one is kept: its argon2id hash, computed beside the loop."""

import unicodedata
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onduty.background import Threads
from onduty.errors import Invalid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST: Final = 8
MOST: Final = 256
# OWASP's second choice of parameters: 19 MiB and two passes on one lane.
MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
_THREADS: Final = 2
_MOST_WAITING: Final = 200
_COMMONEST: Final = Path(__file__).with_name("commonest.txt")
# What is compared with where there is nobody, of the same cost as everybody's: the password is 32 random bytes, gone.
NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$3tXvqe2DTKjlfP2hPV3bvQ$Lik0N15o9MaeARBkamDAuJpxKWRFN+1Klg9Gc39iB9o"


def normal(password: str) -> str:
    """The same text whatever keyboard it came from (NFKC, as NIST SP 800-63B has it)."""
    return unicodedata.normalize("NFKC", password)


def chosen(password: str) -> str:
    """A password that may be kept, in its normal form. Invalid at `password` if it is too short, long, or common."""
    password = normal(password)
    if len(password) < LEAST:
        raise Invalid.at("password", f"must have at least {LEAST} characters")
    if len(password) > MOST:
        raise Invalid.at("password", f"must have at most {MOST} characters")
    if password.casefold() in _commonest():
        raise Invalid.at("password", "must be none of the 3 000 commonest, which are tried first")
    return password


@cache
def _commonest() -> frozenset[str]:
    lines = _COMMONEST.read_text("ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


@cache
def _hasher() -> "PasswordHasher":
    # Imported with the first password, for most starts need none.
    from argon2 import PasswordHasher

    return PasswordHasher(PASSES, MEMORY_KIB, LANES)


@dataclass(slots=True)
class Hashing:
    """Hashes and compares, two at a time; the others wait. Unavailable where too many do."""

    threads: Threads = field(default_factory=lambda: Threads("passwords", _THREADS, _MOST_WAITING))

    async def hashed(self, password: str) -> str:
        """What is kept of a password, with its parameters and salt."""
        return await self.threads.run(lambda: _hasher().hash(normal(password)))

    async def is_of(self, kept: str | None, password: str) -> bool:
        """Whether that is the password; where nothing is kept it is not, which takes as long to find out."""
        same = await self.threads.run(lambda: _same(kept or NOBODY, normal(password)))
        return same and kept is not None

    def is_old(self, kept: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return _hasher().check_needs_rehash(kept)


def _same(kept: str, password: str) -> bool:
    from argon2.exceptions import VerifyMismatchError

    try:
        return _hasher().verify(kept, password)
    except VerifyMismatchError:
        return False
