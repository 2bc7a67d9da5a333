"""`onduty sign-in`: a link that signs this person's browser in."""

import typer

from onduty.cleaning import clean
from onduty.cli.failure import say
from onduty.client.api import server_in_use

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def sign_in() -> None:
    """Print a link that signs your browser in, alone, on stdout."""
    made = server_in_use().post("api", "sign-in-links", body={}).body
    print(clean(made["url"]))
    say("Open it in your browser within 15 minutes. It works once.")
