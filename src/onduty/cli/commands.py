"""The subcommands, each imported when it is called and not for the list of them."""

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from onduty.cli.main import CLIENTS

COMMANDS = {
    "serve": "Start the server.",
    "demo": "Start a throw-away server with simulated agents.",
    "sign-in": "Print a link that signs your browser in.",
    "connect": "Let the agent clients of this machine tell what they do.",
    "disconnect": "Take our entries out of their files again.",
    "run": "Run any command as an agent.",
    "login": "Show where this machine is signed in, or sign in by a pairing code.",
    "logout": "Forget a credential, and revoke it.",
    "who": "Show who is on duty in a project.",
    "status": "Show whether the server is reached, and who you are there.",
    "project": "List, make, choose, rename and delete projects.",
    "member": "See and change who is in a project.",
    "token": "List, make and revoke tokens.",
    "database": "Check, back up, restore and move the server's data.",
    "doctor": "Check that this machine can speak to the server.",
    "config": "Show every setting and where its value is from.",
    "version": "Show the version.",
}


class _Commands(TyperGroup):
    """Each subcommand is the module of its name."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # The names alone: what is typed wrong is compared with them.
        names: dict[str, Any] = dict.fromkeys(COMMANDS)
        self.commands = names

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS or cmd_name in CLIENTS:
            # Those of the client program are handed on before anybody asks here.
            return None
        return typer.main.get_command(importlib.import_module(f"onduty.cli.{cmd_name.replace('-', '_')}").app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


# Plain help and messages: rich costs as much as typer itself, and breaks lines that people search for.
app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def _onduty() -> None:
    """Which AI coding agents are at work on this project, whose, where, in which role, doing what, and since when."""


def invoke(arguments: list[str]) -> int:
    """Run the subcommand that the arguments name. Answers its exit code; what goes wrong is raised."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("onduty", arguments) as context:
            code = command.invoke(context)
    except typer.Exit as leaving:  # how --help ends
        return leaving.exit_code
    return code if isinstance(code, int) else 0
