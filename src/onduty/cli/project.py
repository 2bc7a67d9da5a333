"""`onduty project`: list, make, choose, rename and delete projects; and which project a command means."""

import os
import sys
from dataclasses import replace
from typing import Any

import typer

from onduty.cleaning import clean
from onduty.cli.failure import Conflict, NotVisible, say
from onduty.client import credentials
from onduty.client.api import NotSignedIn, Server, pages, server_in_use

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List, make, choose, rename and delete projects.",
)
Project = dict[str, Any]


@app.command("list")
def show(json: bool = typer.Option(False, "--json", help="Print the API's own object.")) -> None:
    """List the projects that you see; the one that commands mean is marked."""
    from onduty.cli.terminal import as_json, safe, table

    server = server_in_use()
    projects = visible(server)
    if json:
        print(as_json({"projects": projects}))
        return
    rows = [
        [
            safe("*" if p["id"] == server.project else ""),
            *(safe(p[name]) for name in ("name", "role", "id", "created_at")),
        ]
        for p in projects
    ]
    print(table(["", "NAME", "ROLE", "ID", "CREATED"], rows, wraps=["NAME"]))


@app.command()
def create(name: str = typer.Argument(help="What people will call it.")) -> None:
    """Make a project that you own, and print its id."""
    project = server_in_use().post("api", "projects", body={"name": name}).body
    print(clean(project["id"]))
    say(f"{project['name']} is made. To mean it where no project is named: onduty project use {project['id']}")


@app.command()
def use(project: str = typer.Argument(metavar="ID_OR_NAME")) -> None:
    """Choose the project that commands mean where none is named."""
    server = server_in_use()
    found = named(visible(server), project)
    kept = credentials.find(server.origin)
    if kept is None:
        raise NotSignedIn(f"No credential is kept for {server.origin}, so there is none to keep a project with")
    credentials.keep(replace(kept, project=found["id"]))
    say(f"Commands mean {found['name']} from now on, unless --project or ONDUTY_PROJECT says otherwise.")


@app.command()
def rename(
    project: str = typer.Argument(metavar="ID_OR_NAME"),
    name: str = typer.Argument(help="What people will call it from now on."),
) -> None:
    """Give a project another name."""
    server = server_in_use()
    found = named(visible(server), project)
    changed = server.call("PATCH", "api", "projects", found["id"], body={"name": name}).body
    say(f"{found['name']} is called {changed['name']} now.")


@app.command()
def delete(
    project: str = typer.Argument(metavar="ID_OR_NAME"),
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
) -> None:
    """Delete a project with everything in it, for everybody."""
    server = server_in_use()
    found = named(visible(server), project)
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("a project is deleted with everything: say --yes", param_hint="--yes")
        typer.confirm(f"Delete {clean(found['name'])} with everything in it, for everybody?", abort=True, err=True)
    server.call("DELETE", "api", "projects", found["id"])
    say(f"{found['name']} is deleted.")


def visible(server: Server) -> list[Project]:
    """The projects that the token sees."""
    return list(pages(server, "projects", "api", "projects"))


def meant(server: Server, projects: list[Project], option: str | None) -> Project:
    """The project of a command: --project, else ONDUTY_PROJECT, else the credential's default, else the only one."""
    wanted = option or os.environ.get("ONDUTY_PROJECT", "").strip() or server.project
    if wanted:
        return named(projects, wanted)
    if len(projects) == 1:
        return projects[0]
    if not projects:
        raise NotVisible("You see no project. Make one (onduty project create NAME), or ask an owner to add you")
    raise typer.BadParameter(f"say which project: --project, ONDUTY_PROJECT or onduty project use. {_yours(projects)}")


def named(projects: list[Project], id_or_name: str) -> Project:
    """The project with this id, else with this name. NotVisible for none, Conflict for several."""
    wanted = id_or_name.strip()
    found = (
        [p for p in projects if p["id"] == wanted.lower()]
        or [p for p in projects if p["name"] == wanted]
        or [p for p in projects if p["name"].casefold() == wanted.casefold()]
    )
    if not found:
        raise NotVisible(f"You cannot see project {wanted}, or it does not exist. {_yours(projects)}")
    if len(found) > 1:
        raise Conflict(f"{len(found)} projects are called {wanted}; use the id: {', '.join(p['id'] for p in found)}")
    return found[0]


def _yours(projects: list[Project]) -> str:
    return f"Yours: {', '.join(clean(p['name']) for p in projects)}" if projects else "You see none."
