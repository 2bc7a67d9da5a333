"""What a project is, and what a member's role lets them do."""

from dataclasses import dataclass
from typing import Final, Literal

from onduty.clock import Instant

Role = Literal["owner", "member", "viewer"]

RETENTION_DAYS: Final = 30
"""For how long a project keeps agent sessions of which nothing more is heard, where nobody says otherwise."""
LEAST_DAYS: Final = 1
MOST_DAYS: Final = 365

ACTING: Final[frozenset[Role]] = frozenset({"owner", "member"})


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    name: str
    created_at: Instant
    retention_days: int = RETENTION_DAYS


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a project; None: stays as it is."""

    name: str | None = None
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    project_id: str
    user_id: str
    role: Role


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open invitation; its secret is kept as a digest."""

    id: str
    project_id: str
    role: Role
    invited_by: str
    created_at: Instant
    expires_at: Instant


_RANKS: Final[dict[Role, int]] = {"viewer": 1, "member": 2, "owner": 3}


def rank(role: Role) -> int:
    """How much a role may: more than any with a lower number."""
    return _RANKS[role]


def may_act(role: Role, read_only: bool) -> bool:
    """Whether somebody in that role, through such a token, registers sessions and acts on their own."""
    return role in ACTING and not read_only


def may_end_any(role: Role, read_only: bool) -> bool:
    """Owners end anybody's session."""
    return role == "owner" and not read_only
