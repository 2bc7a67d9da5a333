"""What `doctor` looks at on an agent's machine, and the command that mends each."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from onduty.client import connect, connections, delivery, locked, place, proving, spool, state, wire
from onduty.client.api import Answer, NotReached, NotSignedIn, Refused, Server, server_in_use
from onduty.client.credentials import CredentialsError

# More than the answer's way and the whole seconds of its Date header can explain.
_CLOCK_MS = 10_000
_SET_CLOCK = {"darwin": "sudo sntp -sS time.apple.com", "win32": "w32tm /resync"}.get(
    sys.platform, "sudo timedatectl set-ntp true"
)


@dataclass(frozen=True)
class Check:
    """One thing looked at. `mend` is the command that puts it right, None where nothing is wrong."""

    name: str
    ok: bool
    detail: str
    mend: str | None = None


def all_checks() -> Iterator[Check]:
    """The server and the credential, then what the agent clients of this machine hang on."""
    try:
        server = server_in_use()
        me = server.get("api", "me")
        yield Check("credential", True, f"{server.origin} takes it, for {me.body['name']}")
        yield clock(me)
    except (NotSignedIn, CredentialsError, Refused) as error:
        yield Check("credential", False, str(error), "onduty login --server URL --code XXXX-XXXX")
    except NotReached as error:
        yield Check("server", False, str(error), "onduty serve, on its machine")
    yield from client_checks()


def clock(answer: Answer) -> Check:
    """How far this machine's clock is from the one of the server that answered."""
    if answer.now_ms is None:
        return Check("clock", True, "the server tells no time")
    off_ms = state.now_ms() - answer.now_ms
    if abs(off_ms) <= _CLOCK_MS:
        return Check("clock", True, f"agrees with the server's to {_CLOCK_MS // 1000} s")
    off = f"{abs(off_ms) / 1000:.0f} s {'ahead of' if off_ms > 0 else 'behind'} the server's"
    return Check("clock", False, f"this machine's clock is {off}; ages do not depend on it", _SET_CLOCK)


def client_checks(environment: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Each connected client, its entries and its proof; then the spool, which is delivered."""
    root = place.folder(environment)
    try:
        kept = connections.read(root)
    except (OSError, ValueError) as error:
        yield Check("connections", False, f"{place.agents_file(root)}: {error}", "onduty connect")
        return
    yield from _private(root)
    # Before a proof takes along what waits.
    yield from _spool(root, kept)
    for name in connect.known():
        module, connection = connect.agent(name), kept.get(name)
        entry = module.server_entry(environment)
        if entry is not None:
            yield _entry(f"{module.TITLE}'s MCP entry", entry, connection)
        # What `connect` did not write, and not every client lets one write.
        for where, other in module.other_entries(environment) if hasattr(module, "other_entries") else ():
            yield _entry(f"{module.TITLE}'s MCP entry {where}", other, None, f"{module.PROGRAM} mcp remove NAME")
        if isinstance(connection, dict):
            yield _project(name, module.TITLE, connection)
            yield _proof(name, module.TITLE, environment)
        elif module.is_here(environment):
            yield Check(module.TITLE, True, f"it is here and not connected: onduty connect {name}")


def _private(root: str) -> Iterator[Check]:
    file = place.agents_file(root)
    for path, wanted in ((root, 0o700), (file, 0o600)):
        if os.name == "posix" and os.path.exists(path) and (mode := stat.S_IMODE(os.stat(path).st_mode)) & ~wanted:
            yield Check("private", False, f"others may read {path} ({mode:04o})", f"chmod {wanted:o} '{path}'")


def _entry(name: str, entry: Mapping[str, Any], connection: Any, mend: str = "onduty connect") -> Check:
    """Whose token an MCP entry holds. It is sent to the origin of that entry alone."""
    origin = str(entry["url"]).rpartition("/mcp")[0]
    try:
        me = Server(origin, entry["token"]).get("api", "me").body
    except (NotReached, Refused, ValueError) as error:
        return Check(name, False, f"{entry['url']}: {error}", mend)
    detail = f"{entry['url']} with the token '{me['token']['name']}' of {me['name']}"
    if isinstance(connection, dict) and connection.get("token") != entry["token"]:
        return Check(name, False, f"{detail}, but its hooks have another", mend)
    return Check(name, True, detail)


def _project(name: str, title: str, connection: Mapping[str, Any]) -> Check:
    """The project that its agents work on in this folder: whether it is there, and their token may write to it."""
    named = connections.repository(os.getcwd()).get("project")
    wanted = str(named or connection.get("project"))
    mend = f"onduty connect {name} --project NAME" if named is None else "onduty connect --project-dir . --project NAME"
    server = Server(str(connection.get("origin")), str(connection.get("token")))
    try:
        project = server.get("api", "projects", wanted).body
        read_only = server.get("api", "me").body["token"]["read_only"]
    except (NotReached, Refused) as error:
        return Check(f"{title}'s project", False, f"{wanted}: {error}", mend)
    if read_only or project["role"] == "viewer":
        why = "is read-only" if read_only else "is of somebody who only views"
        return Check(f"{title}'s project", False, f"{project['name']}: the token {why} there", mend)
    return Check(f"{title}'s project", True, f"{project['name']}, as {project['role']}")


def _proof(name: str, title: str, environment: Mapping[str, str]) -> Check:
    proof = proving.prove(name, environment)
    if proof.row is None:
        return Check(f"{title}'s hooks", False, proof.wrong, f"onduty connect {name}")
    return Check(f"{title}'s hooks", True, f"brought an event through in {proof.ms} ms")


def _spool(root: str, kept: Mapping[str, Any]) -> Iterator[Check]:
    tokens = {c["origin"]: c["token"] for c in kept.values() if isinstance(c, dict)}
    try:
        waiting = spool.headings(root)
    except (OSError, locked.Busy) as error:
        yield Check("spool", False, str(error), f"rm -r '{place.spool_folder(root)}'")
        return
    if not waiting:
        yield Check("spool", True, "nothing waits")
    for heading, count in waiting:
        origin = str(heading.get("origin"))
        token = tokens.get(origin)
        if token is None:
            yield Check("spool", False, f"{count} events for {origin}, where no client is connected", "onduty connect")
            continue
        try:
            sent = delivery.deliver_spool(root, heading, token)
            yield Check("spool", True, f"{sent} events that waited went to {origin}")
        except (wire.Late, wire.Answered, OSError, locked.Busy) as error:
            yield Check(
                "spool",
                False,
                f"{count} events wait for {origin}: {str(error) or 'no answer'}",
                "onduty doctor",
            )
