"""The first start: an account, a project, and what a person needs to go on, told once."""

import getpass
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onduty.audit.service import About, record
from onduty.cleaning import MACHINE, clean, slug
from onduty.client.credentials import Credential, CredentialsError, keep
from onduty.database.transaction import Writer
from onduty.identity.service import NewToken, any_user, keep_token, make_token, new_link, new_user
from onduty.projects.service import Project, found
from onduty.rooms import Rooms

FIRST_PROJECT: Final = "My project"


@dataclass(frozen=True, slots=True)
class Made:
    """What the first start made. The secrets are told once and kept nowhere in the clear but in the credential."""

    project: Project
    sign_in: str
    agents: NewToken
    command_line: NewToken


async def first_start(rooms: Rooms, origin: str, tell: Callable[[str], None]) -> None:
    """Make account and project where there is no account yet, keep the command line's credential, and tell the rest."""
    made = await rooms.database.write(_make)
    if made is None:
        return
    rooms.projects.adopt(made.project, made.agents.principal.user_id)
    for token in (made.agents, made.command_line):
        rooms.identity.adopt(token, _user_name())
    kept = _keep(origin, made)
    for line in _lines(origin, made, kept):
        tell(line)


def _make(writer: Writer) -> Made | None:
    if any_user(writer):
        return None
    user_id = new_user(writer, _user_name())
    project = found(writer, FIRST_PROJECT, user_id)
    machine = machine_name()
    agents = make_token(user_id, f"agents on {machine}", project_ids=[project.id], machine_id=machine)
    command_line = make_token(user_id, f"command line on {machine}", machine_id=machine)
    for token in (agents, command_line):
        keep_token(writer, token)
        about = About(token.principal.token_id, user_id, token.principal.name)
        record(writer, [project.id], "token_made", None, about)
    return Made(project, new_link(writer, user_id), agents, command_line)


def program() -> str:
    """How a person in this folder calls the command: by its name where that is found, else as it was started."""
    started = sys.argv[0]
    return "onduty" if shutil.which("onduty") or Path(started).name != "onduty" else started


def machine_name() -> str:
    """What this computer calls itself, as a `machine_id`."""
    return slug(socket.gethostname()[:MACHINE], "machine_id") or "this-machine"


def _user_name() -> str:
    try:
        return clean(getpass.getuser())[:100] or "owner"
    except (OSError, KeyError):
        return "owner"


def _keep(origin: str, made: Made) -> str:
    secret, machine = made.command_line.secret, made.command_line.principal.machine_id
    try:
        path = keep(Credential(origin, secret, project=made.project.id, machine=machine))
    except (CredentialsError, OSError) as error:
        return f"The command line's credential could not be kept: {error}"
    return f"The command line's credential is in {path}: try `{program()} who`."


def _lines(origin: str, made: Made, kept: str) -> list[str]:
    secret = made.agents.secret
    return [
        "Sign in with your browser, once, within 15 minutes:",
        f"{origin}/sign-in#{made.sign_in}",
        f"A token for agents on the project '{made.project.name}' (shown once):",
        secret,
        kept,
        "Connect Claude Code on this machine:",
        f'claude mcp add --scope user --transport http onduty {origin}/mcp --header "Authorization: Bearer {secret}"',
    ]
