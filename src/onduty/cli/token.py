"""`onduty token`: make tokens for agents."""

import re
from typing import Any

import typer

from onduty.cleaning import clean
from onduty.cli.failure import say
from onduty.cli.project import meant, visible
from onduty.client.api import server_in_use
from onduty.clock import Instant, rfc3339, wall_ms

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Make tokens for agents.")

_SPANS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@app.callback()
def _token() -> None:
    pass


@app.command()
def create(
    name: str = typer.Option(metavar="NAME", help="What you will know it by."),
    project: str | None = typer.Option(
        None, metavar="ID_OR_NAME", help="The project that it sees. [default: as in who]"
    ),
    all_projects: bool = typer.Option(False, "--all-projects", help="It sees all your projects, and may make more."),
    role: str | None = typer.Option(None, metavar="ROLE", help="The role of agents that name none: backend, qa, …"),
    machine: str | None = typer.Option(None, metavar="MACHINE", help="The machine of agents that name none."),
    read_only: bool = typer.Option(False, "--read-only", help="It reads, and writes nothing."),
    expires: str | None = typer.Option(
        None, metavar="SPAN", help="After how long it ends: 12h, 30d, 8w. [default: never]"
    ),
) -> None:
    """Make a token and print it, alone, on stdout. It is shown once."""
    if project and all_projects:
        raise typer.BadParameter("--project and --all-projects exclude one another")
    lasts_ms = None if expires is None else span_ms(expires)
    server = server_in_use()
    body: dict[str, Any] = {"name": name, "read_only": read_only, "caller_role": role, "machine_id": machine}
    sees = "all your projects"
    if not all_projects:
        chosen = meant(server, visible(server), project)
        body["project_ids"], sees = [chosen["id"]], chosen["name"]
    if lasts_ms is not None:
        # By the server's clock: it is the one that will judge.
        now: Instant = server.get("api", "me").now_ms or wall_ms()
        body["expires_at"] = rfc3339(now + lasts_ms)
    made = server.post("api", "tokens", body={key: value for key, value in body.items() if value is not None}).body
    print(clean(made["token"]))
    say(f"{name} sees {sees}{', read-only' if read_only else ''}. Copy it now; it will not be shown again.")


def span_ms(text: str) -> int:
    """`30d` in milliseconds; also m, h and w."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", text.strip())
    if match is None:
        raise typer.BadParameter("must be a span like 30d (m, h, d or w)", param_hint="--expires")
    return int(match[1]) * _SPANS_MS[match[2]]
