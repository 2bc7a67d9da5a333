"""What each command of the client program does; the answer is its exit code."""

from __future__ import annotations

import argparse
import json
import os

from onduty import __version__
from onduty.client import asking, changing, checks, connect, connections, place, proving, signing_in
from onduty.client.api import Server, server_in_use

CONNECTED_NONE = "no agent client is found here: name one, or say --all"


def connecting(options: argparse.Namespace) -> int:
    """Connect what was named, what is found here, or all; 1 if a proof fails."""
    if options.project_dir:
        return _repository(options)
    server = _server(options)
    wanted = connect.Wanted(
        options.project, options.role, options.machine, options.share_questions, options.private, options.dry_run
    )
    names = options.clients or [n for n in connect.known() if options.all or connect.agent(n).is_here(os.environ)]
    if not names:
        raise connect.Usage(CONNECTED_NONE)
    codes = []
    for name in names:
        done = connect.connect(name, server, wanted)
        _show(done.changes, options.dry_run)
        codes.append(0 if options.dry_run else _proven(done))
    return max(codes)


def _server(options: argparse.Namespace) -> Server:
    if options.code:
        return signing_in.pair(options.server, options.code, options.machine or connect.machine_name())
    environment = {**os.environ, **({"ONDUTY_SERVER": options.server} if options.server else {})}
    return server_in_use(environment)


def _repository(options: argparse.Namespace) -> int:
    """Name project and role in the repository: neither a token nor an address is ever written there."""
    named = {key: value for key, value in (("project", options.project), ("role", options.role)) if value}
    if options.project:
        named["project"] = connect.chosen_project(_server(options), options.project)["id"]
    if not named:
        raise connect.Usage("name a --project or a --role for the repository")
    path = os.path.join(options.project_dir, connections.REPOSITORY_FILE)
    change = changing.naming(path, named)
    _show([change], options.dry_run)
    if not options.dry_run:
        changing.carry_out(place.folder(), [change])
    return 0


def _show(changes: list[changing.Change], dry_run: bool) -> None:
    for change in changes:
        if change.is_none:
            asking.say(f"{change.path}: nothing to change")
        elif dry_run:
            print(change.difference(), end="")
        else:
            asking.say(f"{change.path}: {'taken away' if change.after is None else 'written'}")


def _proven(done: connect.Done) -> int:
    proof = proving.prove(done.client)
    title = connect.agent(done.client).TITLE
    if proof.row is None:
        asking.say(f"{title} is connected, but the proof failed: {proof.wrong}. Look with: onduty doctor")
        return 1
    row, project = proof.row, done.connection["project_name"]
    words = [f"{row['caller_origin']} on {row['machine_id']}", f"project {project}"]
    words += [f"role {row['caller_role']}"] if row["caller_role"] else []
    asking.say(f"Proven in {proof.ms} ms: {', '.join(words)}. {title} tells from its next start on.")
    return 0


def disconnect(options: argparse.Namespace) -> int:
    """Disconnect what was named, or all that is connected."""
    names = options.clients or list(connections.read(place.folder()))
    for name in names:
        done = connect.disconnect(name, dry_run=options.dry_run)
        if done is None:
            asking.say(f"{connect.agent(name).TITLE} is not connected")
        else:
            _show(done.changes, options.dry_run)
    return 0


def who(options: argparse.Namespace) -> int:
    """The agents on duty, a line each; 1 if there are none."""
    server = server_in_use()
    project = connect.chosen_project(server, options.project or os.environ.get("ONDUTY_PROJECT"))
    query = {"active": "false", "state": "working,waiting,idle,quiet", "limit": "100"}
    rows = server.get("api", "projects", project["id"], "agent-sessions", query=query).body["sessions"]
    for row in rows:
        words = (
            row["state"],
            row["caller_origin"],
            row["caller_role"],
            row["machine_id"],
            row["folder"],
            row["branch"],
            row["because"].get("question") or row["because"].get("waits_for"),
        )
        print("  ".join(json.dumps(word or "-", ensure_ascii=True).strip('"') for word in words))
    return 0 if rows else 1


def doctor(_: argparse.Namespace) -> int:
    """Every check, a line each; 1 if anything is wrong."""
    found = list(checks.all_checks())
    for check in found:
        print(f"{'ok   ' if check.ok else 'wrong'} {check.name}: {changing.masked(check.detail)}")
        if check.mend:
            print("      mend it:", check.mend)
    return 0 if all(check.ok for check in found) else 1


def login(options: argparse.Namespace) -> int:
    """Sign in by a pairing code, or show where this machine is signed in; 4 if nowhere."""
    if options.code:
        signing_in.pair(options.server, options.code, connect.machine_name())
    return signing_in.show()


def logout(options: argparse.Namespace) -> int:
    """Forget a credential and revoke it."""
    return signing_in.forget(options.server)


def version(_: argparse.Namespace) -> int:
    """The version, which is the server's that handed it out."""
    print(__version__)
    return 0
