"""What a project is, and what a member's role lets them do."""

from dataclasses import dataclass
from typing import Final, Literal

from onduty.clock import Instant

Role = Literal["owner", "member", "viewer"]

ACTING: Final[frozenset[Role]] = frozenset({"owner", "member"})


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    name: str
    created_at: Instant


@dataclass(frozen=True, slots=True)
class Membership:
    project_id: str
    user_id: str
    role: Role


def may_act(role: Role, read_only: bool) -> bool:
    """Whether somebody in that role, through such a token, registers sessions and acts on their own."""
    return role in ACTING and not read_only


def may_end_any(role: Role, read_only: bool) -> bool:
    """Owners end anybody's session."""
    return role == "owner" and not read_only
