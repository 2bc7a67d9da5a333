"""`onduty version`: its options; the plain command is answered in `main`, without typer."""

from importlib.metadata import version as version_of

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def version(json: bool = typer.Option(False, "--json", help="Print an object.")) -> None:
    """Show the version of this program."""
    print(f'{{"version": "{version_of("onduty")}"}}' if json else version_of("onduty"))
