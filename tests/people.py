"""The people of every access test: Alice owns the project, Bob is a member, Vera looks on, Charlie is nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Membership = Literal["owner", "member", "viewer"]


@dataclass(frozen=True)
class Person:
    """Somebody with an account; `membership` is what they are in the project, None for one who is not in it."""

    name: str
    membership: Membership | None

    @property
    def may_see(self) -> bool:
        return self.membership is not None

    @property
    def may_act(self) -> bool:
        """Whether they may register sessions and act on their own."""
        return self.membership in ("owner", "member")

    @property
    def may_end_any(self) -> bool:
        return self.membership == "owner"


ALICE = Person("Alice", "owner")
BOB = Person("Bob", "member")
VERA = Person("Vera", "viewer")
CHARLIE = Person("Charlie", None)

EVERYBODY = (ALICE, BOB, VERA, CHARLIE)
