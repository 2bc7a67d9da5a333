"""The `onduty` program. Nothing is imported here that every start would pay for."""

import sys


def run(arguments: list[str]) -> int:
    """Do what these arguments say. Answers the exit code, whatever happens (`failure` has the list)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a glyph shows a question mark.
            stream.reconfigure(errors="replace")
    try:
        code = _done(arguments)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        from onduty.cli.failure import answer_for

        return answer_for(error)
    return code


def _done(arguments: list[str]) -> int:
    if arguments in (["version"], ["--version"]):
        # Scripts ask this often, and reading options costs a quarter of a second.
        from importlib.metadata import version

        print(version("onduty"))
        return 0
    from onduty.cli.commands import invoke

    return invoke(arguments)


def main() -> None:
    """The program's entry."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
