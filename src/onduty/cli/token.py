"""`onduty token`: list, make and revoke tokens."""

import re
from typing import Any

import typer

from onduty.cleaning import clean
from onduty.cli.failure import Conflict, NotVisible, say
from onduty.cli.project import meant, visible
from onduty.client.api import pages, server_in_use
from onduty.clock import Instant, rfc3339, wall_ms

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="List, make and revoke tokens."
)

_SPANS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@app.command()
def pair() -> None:
    """Print a code that signs another machine in as you, once, within ten minutes: onduty connect --code CODE."""
    server = server_in_use()
    made = server.post("api", "pairings", body={}).body
    print(clean(made["code"]))
    say(f"On the other machine: onduty connect --server {server.origin} --code {made['code']}")


@app.command("list")
def show(json: bool = typer.Option(False, "--json", help="Print the API's own object.")) -> None:
    """List your tokens but for the one that asks, with when each was last used. Secrets are told once and not here."""
    from onduty.cli.terminal import as_json, safe, table

    server = server_in_use()
    tokens = list(pages(server, "tokens", "api", "tokens"))
    if json:
        print(as_json({"tokens": tokens}))
        return
    names = {p["id"]: p["name"] for p in visible(server)}
    rows = [
        [
            safe(t["name"]),
            safe(_sees(t, names)),
            safe(t["last_used_at"] or "never"),
            safe(t["expires_at"] or ""),
            safe(t["id"]),
        ]
        for t in tokens
    ]
    print(table(["NAME", "SEES", "LAST USED", "EXPIRES", "ID"], rows, wraps=["NAME", "SEES"]))


def _sees(token: dict[str, Any], names: dict[str, str]) -> str:
    ids = token["project_ids"]
    seen = "all" if ids is None else ", ".join(names.get(i, i) for i in ids) or "nothing"
    return f"{seen}, read-only" if token["read_only"] else seen


@app.command()
def revoke(token: str = typer.Argument(metavar="ID_OR_NAME", help="The token, as list shows it.")) -> None:
    """Revoke a token of yours, at once. What speaks through it ends."""
    server, wanted = server_in_use(), token.strip()
    tokens = list(pages(server, "tokens", "api", "tokens"))
    found = [t for t in tokens if t["id"] == wanted.lower()] or [t for t in tokens if t["name"] == wanted]
    if not found:
        raise NotVisible(f"You have no other token {wanted}: onduty token list shows them")
    if len(found) > 1:
        raise Conflict(f"{len(found)} tokens are called {wanted}; use the id: {', '.join(t['id'] for t in found)}")
    server.call("DELETE", "api", "tokens", found[0]["id"])
    say(f"{found[0]['name']} is revoked.")


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
