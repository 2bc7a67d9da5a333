"""`onduty connect`: the agent clients of this machine tell Onduty what they do, from the next start on."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onduty.client import agents, asking, changing, connections, credentials, installing, place
from onduty.client.api import NotReached, Refused, Server, pages
from onduty.client.changing import Change

_MAY_SHARE = (
    "May those who see the project read a question's own words when an agent waits for you,"
    " one line with secrets masked? yes or no"
)
_NOT_SLUG = re.compile(r"[^A-Za-z0-9._/+-]")


class Usage(Exception):  # noqa: N818
    """What was asked for cannot be done as it was said. One line."""


@dataclass(frozen=True)
class Wanted:
    """What a connection is to be; None where nothing was said of it."""

    project: str | None = None
    role: str | None = None
    machine: str | None = None
    share_questions: bool | None = None
    private: bool | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Done:
    """What connecting a client came to."""

    client: str
    changes: list[Change]
    connection: dict[str, Any]


def known() -> list[str]:
    """The names of the agent clients that can be connected: one file each in `agents`."""
    names = [module.name for module in pkgutil.iter_modules(agents.__path__)]
    return [name for name in names if hasattr(agent(name), "EVENTS")]


def agent(name: str) -> Any:
    """The module of an agent client. Usage where there is none."""
    if not re.fullmatch(r"[a-z_]+", name):
        raise Usage(f"there is no client {name}")
    try:
        return importlib.import_module(f"onduty.client.agents.{name}")
    except ModuleNotFoundError:
        raise Usage(f"there is no client {name}: it is one of {', '.join(known())}") from None


def connect(name: str, server: Server, wanted: Wanted, environment: Mapping[str, str] = os.environ) -> Done:
    """Write a client's files. Usage, edits.Unreadable, api's errors: then nothing is written."""
    module, root = agent(name), place.folder(environment)
    kept = connections.read(root)
    before = kept.get(name) if isinstance(kept.get(name), dict) else {}
    assert isinstance(before, dict)
    connection = _connection(server, before, wanted)
    project = chosen_project(
        server, wanted.project or _same(server, before, "project") or environment.get("ONDUTY_PROJECT")
    )
    connection["project"], connection["project_name"] = project["id"], project["name"]
    # The files are looked at before a token is made for what may come to nothing.
    records = before.get("files", {})
    changing.connecting(_edits(module, root, {**connection, "token": "ody_"}, environment), records)
    connection["token"] = "ody_new" if wanted.dry_run else _token(server, before, connection, module.TITLE)
    changes = changing.connecting(_edits(module, root, connection, environment), records)
    if not wanted.dry_run:
        installing.install(root)
        changing.carry_out(root, changes)
        connection["files"] = changing.records_of(changes, records)
        connections.write(root, {**kept, name: connection})
    return Done(name, changes, connection)


def disconnect(name: str, environment: Mapping[str, str] = os.environ, *, dry_run: bool = False) -> Done | None:
    """Put a client's files back. None where it is not connected. edits.Unreadable: then nothing is changed."""
    module, root = agent(name), place.folder(environment)
    kept = connections.read(root)
    connection = kept.get(name)
    if not isinstance(connection, dict):
        return None
    changes = changing.disconnecting(_edits(module, root, connection, environment), connection.get("files", {}))
    if not dry_run:
        changing.carry_out(root, changes)
        connections.write(root, {key: value for key, value in kept.items() if key != name})
        _revoke(connection)
    return Done(name, changes, connection)


def _edits(module: Any, root: str, connection: Mapping[str, Any], environment: Mapping[str, str]) -> list[Any]:
    entry = {"url": f"{connection['origin']}/mcp", "token": connection["token"], "machine": connection["machine"]}
    edits: list[Any] = module.edits(environment, entry, installing.command(root, "hook", module.NAME))
    return edits


def _connection(server: Server, before: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    role = wanted.role or before.get("role")
    # What is asked changes no line that a dry run shows.
    if role is None and not wanted.dry_run:
        role = asking.ask("In which role do agents work on this machine (backend, frontend, qa, …)? Empty for none.")
    private = before.get("private", False) if wanted.private is None else wanted.private
    return {
        "origin": server.origin,
        "machine": wanted.machine or before.get("machine") or machine_name(),
        "role": role or "",
        "share_questions": _shares(before, wanted, private),
        "private": private,
    }


def _shares(before: Mapping[str, Any], wanted: Wanted, private: bool) -> bool:
    """Whether a question's own words may be told: as it was said now, as before, as a person answers; else no."""
    said = before.get("share_questions") if wanted.share_questions is None else wanted.share_questions
    if said is None and not private and not wanted.dry_run:
        said = asking.ask(_MAY_SHARE, "no").lower() in ("y", "yes")
    return bool(said)


def _same(server: Server, before: Mapping[str, Any], name: str) -> str | None:
    return before.get(name) if before.get("origin") == server.origin else None


def chosen_project(server: Server, named: str | None) -> dict[str, Any]:
    """The project that was named, by id or name, the only one, the credential's, or the one a person chooses. Usage."""
    seen = list(pages(server, "projects", "api", "projects"))
    for wanted in (named, server.project):
        found = [each for each in seen if wanted and wanted.lower() in (each["id"], each["name"].lower())]
        if len(found) == 1:
            return dict(found[0])
        if wanted and wanted == named:
            raise Usage(f"you see no project {named}: it is one of {', '.join(each['name'] for each in seen)}")
    if len(seen) == 1:
        return dict(seen[0])
    if not seen:
        raise Usage("you see no project: make one with `onduty project create NAME`")
    names = ", ".join(each["name"] for each in seen)
    answer = asking.ask(f"On which project do agents work here ({names})?")
    if not answer:
        raise Usage(f"name the project with --project: {names}")
    return chosen_project(server, answer)


def _token(server: Server, before: Mapping[str, Any], connection: dict[str, Any], title: str) -> str:
    """A token for the client: the one that it has, where it does; else a new one, or where none may be made our own."""
    token = _same(server, before, "token")
    fits = all(before.get(name) == connection[name] for name in ("project", "machine", "role"))
    connection["made"] = before.get("made", [])
    if token and fits and _is_taken(Server(server.origin, token)):
        return token
    body = {
        "name": f"{title} on {connection['machine']}",
        "project_ids": [connection["project"]],
        "machine_id": connection["machine"],
        **({"caller_role": connection["role"]} if connection["role"] else {}),
    }
    try:
        made: dict[str, Any] = server.post("api", "tokens", body=body).body
    except Refused as refused:
        if refused.status != 403 or server.token is None:
            raise
        # What is narrowed or may not make any is itself what agents are to use.
        return server.token
    connection["made"] = [*before.get("made", []), made["id"]]
    return str(made["token"])


def _is_taken(server: Server) -> bool:
    try:
        server.get("api", "me")
    except Refused:
        return False
    return True


def _revoke(connection: Mapping[str, Any]) -> None:
    """The tokens made for the client are of no use any more. What cannot be reached stays for its owner to revoke."""
    try:
        kept = credentials.find(str(connection.get("origin")))
        if kept is not None:
            for token_id in connection.get("made", ()):
                Server(kept.origin, kept.token).call("DELETE", "api", "tokens", token_id)
    except (NotReached, Refused, credentials.CredentialsError):
        pass


def machine_name() -> str:
    """What this computer calls itself."""
    return _NOT_SLUG.sub("-", socket.gethostname())[:64] or "this-machine"
