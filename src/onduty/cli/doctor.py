"""`onduty doctor`: what could keep this machine and its agents from speaking to the server, and what mends it."""

import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import typer

from onduty.cleaning import clean
from onduty.cli.failure import Conflict, NotVisible
from onduty.client import credentials
from onduty.client.api import NotReached, NotSignedIn, Refused, Server, server_in_use
from onduty.client.checks import client_checks, clock
from onduty.client.credentials import CredentialsError
from onduty.settings import is_loopback

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `mend` is the command that puts it right, None where nothing is wrong."""

    name: str
    ok: bool
    detail: str
    mend: str | None = None


@app.command()
def doctor(
    project: str | None = typer.Option(
        None, "--project", metavar="ID_OR_NAME", help="Else ONDUTY_PROJECT, else yours."
    ),
    json: bool = typer.Option(False, "--json", help="Print an object."),
) -> int:
    """Check server, credential and agent clients, deliver what waits. Exit code 1 if anything is wrong."""
    from onduty.cli.terminal import as_json, drawn_as_text, safe

    checks = list(checked(project))
    if json:
        print(as_json({"checks": [asdict(check) for check in checks]}))
    else:
        for check in checks:
            word = safe("ok", "green") if check.ok else safe("wrong", "bold red")
            print(drawn_as_text(word) + " " * (6 - len(word)) + clean(f"{check.name}: {check.detail}"))
            if check.mend:
                print("      mend it:", clean(check.mend))
    return 0 if all(check.ok for check in checks) else 1


def checked(project: str | None) -> Iterator[Check]:
    """Each check in turn; what cannot be looked at because of an earlier one is left out."""
    try:
        server = server_in_use()
    except (NotSignedIn, CredentialsError) as error:
        yield Check("credential", False, str(error), "onduty serve")
        return
    yield _credential(server)
    try:
        server.get("livez")
    except (NotReached, Refused) as error:
        here = is_loopback(urlsplit(server.origin).hostname or "")
        yield Check("server", False, str(error), "onduty serve" if here else f"curl -sS {server.origin}/livez")
        return
    yield Check("server", True, f"{server.origin} answers")
    try:
        me = server.get("api", "me")
    except (NotReached, Refused) as error:
        yield Check("token", False, str(error), "make a new one: onduty token create, where it is still signed in")
        return
    yield Check("token", True, f"speaks for {me.body['name']}")
    yield _project(server, project)
    for found in (clock(me), *client_checks()):
        yield Check(found.name, found.ok, found.detail, found.mend)


def _credential(server: Server) -> Check:
    if server.from_environment:
        return Check("credential", True, "ONDUTY_TOKEN is used, no file")
    file = credentials.path()
    for place, wanted in ((file, 0o600), (file.parent, 0o700)):
        if os.name == "posix" and (mode := _mode(place)) & ~wanted:
            return Check("credential", False, f"others may read {place} ({mode:04o})", f"chmod {wanted:o} '{place}'")
    return Check("credential", True, f"{file} is yours alone")


def _mode(place: Path) -> int:
    return stat.S_IMODE(place.stat().st_mode)


def _project(server: Server, option: str | None) -> Check:
    from onduty.cli.project import meant, visible

    try:
        found = meant(server, visible(server), option)
    except (NotVisible, Conflict, typer.BadParameter) as error:
        return Check(
            "project", False, getattr(error, "message", str(error)), "onduty project list; onduty project use ID"
        )
    return Check("project", True, f"{found['name']}, as {found['role']}")
