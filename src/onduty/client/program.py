"""The client program's own command line: `python3 onduty.pyz …`, and the same behind `onduty …`."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from onduty.client import asking, place
from onduty.client.api import NotReached, NotSignedIn, Refused
from onduty.client.credentials import CredentialsError
from onduty.client.edits import Unreadable

NO, USAGE, NOT_REACHED, NOT_ALLOWED, CONFLICT, OUR_FAULT, INTERRUPTED = 1, 2, 3, 4, 5, 70, 130
COMMANDS = ("connect", "disconnect", "hook", "run", "who", "doctor", "login", "logout", "version")


def main(arguments: Sequence[str]) -> int:
    """Do what these arguments say. Answers the exit code."""
    if list(arguments[:1]) == ["hook"] and len(arguments) == 3:
        from onduty.client.hook import main as hook

        hook(place.folder(), arguments[1], arguments[2])
    if list(arguments[:1]) == ["run"]:
        from onduty.client.run import main as run

        return run(arguments[1:])
    try:
        return int(_done(_parser().parse_args(list(arguments))))
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001,RUF100
        return _failed(error)


def _done(options: argparse.Namespace) -> int:
    from onduty.client import commands

    doing = {"connect": commands.connecting}.get(options.command) or getattr(commands, options.command)
    code: int = doing(options)
    return code


def _failed(error: Exception) -> int:
    from onduty.client.connect import Usage

    if isinstance(error, Refused):
        words = str(error)
        if error.status == 401:
            words = "The token is not taken: it is unknown, revoked or expired"
        asking.say(f"onduty: {words}")
        by_status = {401: NOT_ALLOWED, 403: NOT_ALLOWED, 409: CONFLICT, 429: NOT_REACHED}
        return by_status.get(error.status, NOT_REACHED if error.status in (502, 503, 504) else USAGE)
    codes = {NotReached: NOT_REACHED, NotSignedIn: NOT_ALLOWED}
    if isinstance(error, (NotReached, NotSignedIn, Usage, CredentialsError, Unreadable, OSError)):
        asking.say(f"onduty: {error}")
        return codes.get(type(error), USAGE)
    traceback.print_exc()
    asking.say("onduty: this is our fault; the lines above say where")
    return OUR_FAULT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onduty", description="Which AI coding agents are at work on a project: what runs on their machines."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    connect = commands.add_parser("connect", help="Let the agent clients of this machine tell Onduty what they do.")
    connect.add_argument("clients", nargs="*", metavar="CLIENT", help="Else every one that is found here.")
    connect.add_argument("--all", action="store_true", help="Every one that is known, found here or not.")
    connect.add_argument("--server", metavar="URL", help="The server's address. [default: the one used last]")
    connect.add_argument("--code", metavar="XXXX-XXXX", help="A pairing code: it signs this machine in, once.")
    connect.add_argument("--project", metavar="ID_OR_NAME", help="The project that agents work on.")
    connect.add_argument("--role", help="The role of agents that name none: backend, qa, …")
    connect.add_argument("--machine", help="What this machine is called. [default: its name]")
    connect.add_argument("--project-dir", metavar="FOLDER", help="Name project and role for one repository alone.")
    connect.add_argument("--share-questions", action=argparse.BooleanOptionalAction, help="A question's own words.")
    connect.add_argument("--private", action=argparse.BooleanOptionalAction, help="Tell neither folder nor branch.")
    connect.add_argument("--dry-run", action="store_true", help="Show what would change, and change nothing.")
    disconnect = commands.add_parser("disconnect", help="Take our entries out of the clients' files again.")
    disconnect.add_argument("clients", nargs="*", metavar="CLIENT", help="Else every one that is connected.")
    disconnect.add_argument("--dry-run", action="store_true", help="Show what would change, and change nothing.")
    hook = commands.add_parser("hook", help="What the clients' hooks start.")
    hook.add_argument("client")
    hook.add_argument("event")
    commands.add_parser("run", help="Run any command as an agent: onduty run -- COMMAND …")
    who = commands.add_parser("who", help="Show who is on duty.")
    who.add_argument("--project", metavar="ID_OR_NAME")
    commands.add_parser("doctor", help="Check every part, and deliver what waits.")
    login = commands.add_parser("login", help="Show which servers this machine is signed in at, or sign in.")
    login.add_argument("--server", metavar="URL")
    login.add_argument("--code", metavar="XXXX-XXXX")
    logout = commands.add_parser("logout", help="Forget the credential, and revoke it.")
    logout.add_argument("--server", metavar="URL")
    commands.add_parser("version", help="Show the version.")
    return parser
