"""`onduty status`: is the server reached, and who am I there."""

from typing import Any

import typer

from onduty.client.api import Refused, Server, server_in_use

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def status(json: bool = typer.Option(False, "--json", help="Print an object.")) -> None:
    """Show whether the server is reached and ready, who you are there, and how many are on duty."""
    from onduty.cli.project import visible
    from onduty.cli.terminal import as_json
    from onduty.cli.who import on_duty

    server = server_in_use()
    health = _health(server)
    me = server.get("api", "me").body
    projects = [{**p, "on_duty": len(on_duty(server, p["id"])[0])} for p in visible(server)]
    if json:
        print(as_json({"server": health, "me": me, "projects": projects}))
    else:
        print(_as_text(health, me, projects))


def _health(server: Server) -> dict[str, Any]:
    """Its address, whether it is ready, and its version where it tells it."""
    try:
        said, ready = server.get("healthz").body, True
    except Refused as error:
        said, ready = error.problem, False
    version = said.get("version") if isinstance(said, dict) else None
    return {"address": server.origin, "ready": ready, "version": version}


def _as_text(health: dict[str, Any], me: dict[str, Any], projects: list[dict[str, Any]]) -> str:
    from onduty.cli.terminal import safe, table

    facts = [
        ("server", health["address"]),
        ("version", health["version"] or "not told"),
        ("ready", "yes" if health["ready"] else "no"),
        ("you", me["name"]),
        ("token", me["token"]["name"] + (", read-only" if me["token"].get("read_only") else "")),
    ]
    text = table(["", ""], [[safe(name), safe(value)] for name, value in facts], wraps=[""])
    rows = [[safe(p["name"]), safe(p["role"]), safe(p["on_duty"])] for p in projects]
    return f"{text}\n\n{table(['PROJECT', 'YOUR ROLE', 'ON DUTY'], rows, wraps=['PROJECT'])}"
