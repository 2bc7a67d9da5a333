"""`onduty config`: every setting, with where its value is from."""

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def config(json: bool = typer.Option(False, "--json", help="Print an object.")) -> None:
    """Show every setting of the server as `onduty serve` would find it here; secrets are masked."""
    from onduty.cli.terminal import as_json, safe, table
    from onduty.settings import describe, load

    described = describe(load({}))
    if json:
        fields = ("name", "variable", "value", "origin")
        print(as_json({"settings": [dict(zip(fields, each, strict=True)) for each in described]}))
        return
    rows = [[safe(word) for word in each] for each in described]
    print(table(["NAME", "VARIABLE", "VALUE", "FROM"], rows, wraps=["VALUE"]))
