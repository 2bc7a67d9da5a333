"""`onduty serve`: hands the flags to the settings, and those to the server."""

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def serve(
    host: str | None = typer.Option(None, metavar="ADDRESS", help="The address to listen at. [default: 127.0.0.1]"),
    port: str | None = typer.Option(None, metavar="PORT", help="The port to listen at; 0 is any. [default: 4646]"),
    data: str | None = typer.Option(None, metavar="FOLDER", help="Where the data is kept."),
    database: str | None = typer.Option(
        None, metavar="URL", help="sqlite:///… or postgresql://…, else a file in the data folder."
    ),
    public_url: str | None = typer.Option(None, metavar="URL", help="The address that people and agents use."),
) -> int:
    """Start the server, until SIGTERM or Ctrl-C. Each option has its ONDUTY_ variable; `onduty config` shows them."""
    from onduty.settings import load

    settings = load({"host": host, "port": port, "data": data, "database": database, "public_url": public_url})
    from onduty.server import serve as run

    return run(settings)
