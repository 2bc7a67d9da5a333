"""What the audit log keeps of an act: who, what, about whom or what, when, from where."""

from dataclasses import dataclass
from typing import Final, Literal

from onduty.clock import Instant

Act = Literal[
    "project_made",
    "project_renamed",
    "retention_changed",
    "token_made",
    "token_used_first",
    "token_revoked",
    "member_invited",
    "invitation_withdrawn",
    "member_joined",
    "member_raised",
    "member_lowered",
    "member_left",
    "member_removed",
    "member_renamed",
    "signed_in_by_link",
    "signed_in_by_password",
    "browser_ended",
    "email_changed",
    "password_changed",
    "session_ended",
    "sessions_removed",
]


@dataclass(frozen=True, slots=True)
class About:
    """What an act is about: its id, whose it is, its name, and the role that was given."""

    id: str | None = None
    user_id: str | None = None
    name: str | None = None
    role: str | None = None


NOTHING: Final = About()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries somebody wants to see: of one kind, and by or about one person; None: all of them."""

    act: Act | None = None
    person: str | None = None


EVERYTHING: Final = Filter()


@dataclass(frozen=True, slots=True)
class Entry:
    """One act in one project. `user_id` and `token_id` are of who did it; None: the server itself."""

    id: str
    project_id: str
    at: Instant
    act: str
    user_id: str | None
    token_id: str | None
    address: str | None
    about: About
