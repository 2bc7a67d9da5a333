"""The `onduty` program. Nothing is imported here that every start would pay for."""

import os
import sys

# What the client program does, in the same words as on a machine that has nothing else of ours.
CLIENTS = ("connect", "disconnect", "hook", "run", "login", "logout")


def run(arguments: list[str]) -> int:
    """Do what these arguments say. Answers the exit code, whatever happens (`failure` has the list)."""
    _open_streams()
    try:
        code = _done(arguments)
        print(end="", flush=True)
    except (Exception, KeyboardInterrupt) as error:
        from onduty.cli.failure import answer_for

        return answer_for(error)
    return code


def _open_streams() -> None:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Closed by the caller. A socket would take its number next, and be written to.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        # Where a glyph cannot be shown a question mark is.
        getattr(sys, name).reconfigure(errors="replace")


def _done(arguments: list[str]) -> int:
    if arguments in (["version"], ["--version"]):
        # Scripts ask this often, and reading options costs a quarter of a second.
        from importlib.metadata import version

        print(version("onduty"))
        return 0
    if arguments and arguments[0] in CLIENTS:
        # The same program that a server hands out; a hook has no time for more.
        from onduty.client.program import main as client

        return client(arguments)
    from onduty.cli.commands import invoke

    return invoke(arguments)


def main() -> None:
    """The program's entry."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
