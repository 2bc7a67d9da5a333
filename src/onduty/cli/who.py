"""`onduty who`: who is on duty in a project, once or until Ctrl-C."""

from collections.abc import Callable
from typing import Any

import typer

from onduty.client.api import Server, server_in_use
from onduty.clock import Instant, wall_ms

app = typer.Typer(add_completion=False, rich_markup_mode=None)
ON_DUTY = "working,waiting,idle,quiet"


def on_duty(server: Server, project_id: str) -> tuple[list[dict[str, Any]], Instant]:
    """The sessions on duty in the API's order, and the server's time (this computer's where it tells none)."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        query = {"active": "false", "state": ON_DUTY} | ({"cursor": cursor} if cursor else {})
        answer = server.get("api", "projects", project_id, "agent-sessions", query=query)
        rows += answer.body["sessions"]
        cursor = answer.body.get("next_cursor") or ""
        if not cursor:
            return rows, wall_ms() if answer.now_ms is None else answer.now_ms


@app.command()
def who(
    project: str | None = typer.Option(
        None, "--project", metavar="ID_OR_NAME", help="Else ONDUTY_PROJECT, else yours."
    ),
    json: bool = typer.Option(False, "--json", help="Print the API's own object."),
    watch: bool = typer.Option(False, "--watch", help="Show what changes, until Ctrl-C."),
) -> int:
    """Show who is on duty in a project. Exit code 1 if nobody is."""
    from onduty.cli.project import meant, visible

    server = server_in_use()
    chosen = meant(server, visible(server), project)
    show = (lambda rows, now: _as_json(rows, watch)) if json else _as_table(server, chosen["name"])
    if watch:
        from onduty.cli.following import Following
        from onduty.cli.watch import watch as keep_looking

        return keep_looking(Following(server, chosen["id"], ON_DUTY), show, in_place=not json)
    rows, now = on_duty(server, chosen["id"])
    print(show(rows, now))
    return 0 if rows else 1


def _as_json(rows: list[dict[str, Any]], one_line: bool) -> str:
    from onduty.cli.terminal import as_json

    return as_json({"sessions": rows}, one_line)


def _as_table(server: Server, project_name: str) -> Callable[[list[dict[str, Any]], Instant], str]:
    from onduty.cli.roster import roster

    me = server.get("api", "me").body
    return lambda rows, now: roster(rows, me, project_name, now)
