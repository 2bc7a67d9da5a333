"""What an entry of the audit log says, in words."""

from collections.abc import Callable, Mapping
from typing import Final

from onduty.audit.model import Act, Entry

# `{name}`, `{role}` and `{whom}` are what the act was about.
_SAYS: Final[Mapping[str, str]] = {
    "project_made": "made the project “{name}”",
    "project_renamed": "gave the project the name “{name}”",
    "retention_changed": "has sessions kept for {name}",
    "token_made": "made the token “{name}”",
    "token_used_first": "used the token “{name}” for the first time",
    "token_revoked": "revoked the token “{name}”",
    "member_invited": "invited somebody as {role}",
    "invitation_withdrawn": "withdrew an invitation as {role}",
    "member_joined": "joined as {role}",
    "member_raised": "raised {whom} to {role}",
    "member_lowered": "lowered {whom} to {role}",
    "member_left": "left",
    "member_removed": "removed {whom}",
    "member_renamed": "is called “{name}” from now on",
    "signed_in_by_link": "signed in by a one-time link ({name})",
    "signed_in_by_password": "signed in by password ({name})",
    "browser_ended": "signed a browser out ({name})",
    "email_changed": "changed the e-mail address to sign in with",
    "password_changed": "changed the password to sign in with",
    "session_ended": "ended a session of {whom} ({name})",
    "sessions_removed": "removed {name} past their time",
}


def label(act: Act) -> str:
    """A kind of entry, for choosing it."""
    return act.replace("_", " ").capitalize()


def says(entry: Entry, name_of: Callable[[str | None], str | None]) -> str:
    """What was done, to be read after the name of who did it."""
    about = entry.about
    words = {"name": about.name or "no name", "role": about.role or "", "whom": name_of(about.user_id) or ""}
    if entry.act == "sessions_removed":
        words["name"] = f"{about.name or 'some'} agent session{'s' if about.name != '1' else ''}"
    return _SAYS[entry.act].format_map(words)
