"""`onduty member`: who is in a project, inviting, roles, and removing."""

from typing import Any

import typer

from onduty.cleaning import clean
from onduty.cli.failure import Conflict, NotVisible, say
from onduty.cli.project import Project, meant, visible
from onduty.client.api import Server, pages, server_in_use

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="See and change a team.")
Member = dict[str, Any]

_PROJECT = typer.Option(None, "--project", metavar="ID_OR_NAME", help="The project. [default: as in who]")
_WHO = typer.Argument(metavar="ID_OR_NAME", help="The member, as list shows them.")
_ROLE = typer.Option("member", "--role", metavar="ROLE", help="owner, member or viewer.")


@app.command("list")
def show(project: str | None = _PROJECT, json: bool = typer.Option(False, "--json", help="Print an object.")) -> None:
    """List who is in a project, and who may come."""
    from onduty.cli.terminal import as_json, safe, table

    server, chosen = _chosen(project)
    members = _members(server, chosen)
    invitations = _invitations(server, chosen)
    if json:
        print(as_json({"members": members, "invitations": invitations}))
        return
    rows = [[safe(m["name"]), safe(m["role"]), safe(m["user_id"])] for m in members]
    rows += [[safe(f"(invited until {i['expires_at']})"), safe(i["role"]), safe(i["id"])] for i in invitations]
    print(table(["NAME", "ROLE", "ID"], rows, wraps=["NAME"]))


@app.command()
def invite(role: str = _ROLE, project: str | None = _PROJECT) -> None:
    """Invite somebody: print a link that lets whoever opens it first join, within 7 days."""
    server, chosen = _chosen(project)
    made = server.post("api", "projects", chosen["id"], "invitations", body={"role": role}).body
    print(clean(made["url"]))
    say(
        f"Whoever opens it first joins {chosen['name']} as {made['role']}, until {made['expires_at']}. "
        f"To withdraw it: onduty member remove {made['id']}"
    )


@app.command("role")
def change(
    member: str = _WHO,
    role: str = typer.Argument(metavar="ROLE", help="owner, member or viewer."),
    project: str | None = _PROJECT,
) -> None:
    """Give a member another role. A viewer's sessions in the project end."""
    server, chosen = _chosen(project)
    found = _named(_members(server, chosen), member)
    server.call("PATCH", "api", "projects", chosen["id"], "members", found["user_id"], body={"role": role})
    say(f"{found['name']} is {role} of {chosen['name']} now.")


@app.command()
def remove(
    member: str = typer.Argument(metavar="ID_OR_NAME", help="The member or invitation, as list shows them."),
    project: str | None = _PROJECT,
) -> None:
    """Remove a member, whose sessions in the project end; or leave; or withdraw an invitation, by its id."""
    server, chosen = _chosen(project)
    place = ("api", "projects", chosen["id"])
    if any(i["id"] == member.strip().lower() for i in _invitations(server, chosen)):
        server.call("DELETE", *place, "invitations", member.strip().lower())
        say("The invitation is withdrawn.")
        return
    found = _named(_members(server, chosen), member)
    server.call("DELETE", *place, "members", found["user_id"])
    say(f"{found['name']} is no member of {chosen['name']} any longer.")


def _chosen(project: str | None) -> tuple[Server, Project]:
    server = server_in_use()
    return server, meant(server, visible(server), project)


def _members(server: Server, project: Project) -> list[Member]:
    return list(pages(server, "members", "api", "projects", project["id"], "members"))


def _invitations(server: Server, project: Project) -> list[dict[str, Any]]:
    """The open invitations, which owners alone see."""
    if project["role"] != "owner":
        return []
    return list(pages(server, "invitations", "api", "projects", project["id"], "invitations"))


def _named(members: list[Member], id_or_name: str) -> Member:
    """The member with this id, else with this name. NotVisible for none, Conflict for several."""
    wanted = id_or_name.strip()
    found = [m for m in members if m["user_id"] == wanted.lower()] or [m for m in members if m["name"] == wanted]
    found = found or [m for m in members if m["name"].casefold() == wanted.casefold()]
    if not found:
        raise NotVisible(f"There is no member {wanted} in this project")
    if len(found) > 1:
        raise Conflict(f"{len(found)} members are called {wanted}; use the id, as onduty member list shows it")
    return found[0]
