"""`onduty who`: who is on duty in a project, once or until Ctrl-C."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import typer

from onduty.client.api import Server, server_in_use
from onduty.clock import Instant, wall_ms

app = typer.Typer(add_completion=False, rich_markup_mode=None)
ON_DUTY = "working,waiting,idle,quiet"


@dataclass(slots=True)
class Roster:
    """The sessions on duty in a project. What has not changed since the last time is not sent again."""

    server: Server
    project_id: str
    _kept: dict[str, tuple[str | None, Any]] = field(default_factory=dict)

    def read(self) -> tuple[list[dict[str, Any]], Instant]:
        """The rows in the API's order, and the server's time (this computer's where it tells none)."""
        rows: list[dict[str, Any]] = []
        kept: dict[str, tuple[str | None, Any]] = {}
        cursor, now = "", None
        while True:
            body, etag, now = self._page(cursor)
            kept[cursor] = (etag, body)
            rows += body["sessions"]
            cursor = body.get("next_cursor") or ""
            if not cursor:
                self._kept = kept
                return rows, wall_ms() if now is None else now

    def _page(self, cursor: str) -> tuple[Any, str | None, Instant | None]:
        query = {"active": "false", "state": ON_DUTY} | ({"cursor": cursor} if cursor else {})
        etag, body = self._kept.get(cursor, (None, None))
        answer = self.server.get("api", "projects", self.project_id, "agent-sessions", query=query, etag=etag)
        if answer.status == 304:
            return body, etag, answer.now_ms
        return answer.body, answer.etag, answer.now_ms


@app.command()
def who(
    project: str | None = typer.Option(
        None, "--project", metavar="ID_OR_NAME", help="Else ONDUTY_PROJECT, else yours."
    ),
    json: bool = typer.Option(False, "--json", help="Print the API's own object."),
    watch: bool = typer.Option(False, "--watch", help="Look every 2 s until Ctrl-C."),
) -> int:
    """Show who is on duty in a project. Exit code 1 if nobody is."""
    from onduty.cli.project import meant, visible

    server = server_in_use()
    chosen = meant(server, visible(server), project)
    roster = Roster(server, chosen["id"])
    show = (lambda rows, now: _as_json(rows, watch)) if json else _as_table(server, chosen["name"])
    if watch:
        from onduty.cli.watch import watch as keep_looking

        return keep_looking(roster.read, show, in_place=not json)
    rows, now = roster.read()
    print(show(rows, now))
    return 0 if rows else 1


def _as_json(rows: list[dict[str, Any]], one_line: bool) -> str:
    from onduty.cli.terminal import as_json

    return as_json({"sessions": rows}, one_line)


def _as_table(server: Server, project_name: str) -> Callable[[list[dict[str, Any]], Instant], str]:
    from onduty.cli.roster import roster

    me = server.get("api", "me").body
    return lambda rows, now: roster(rows, me, project_name, now)
