"""Which agent clients are connected on this machine, to which server, as what; kept for their owner alone."""

from __future__ import annotations

import json
import os
from typing import Any

from onduty.client import place

REPOSITORY_FILE = ".onduty.json"
_FOLDERS_UP = 40


def read(root: str) -> dict[str, Any]:
    """Every connection, by its client's name. {} where there is none; ValueError, OSError where it cannot be read."""
    try:
        with open(place.agents_file(root), encoding="utf-8") as file:
            kept = json.load(file)
    except FileNotFoundError:
        return {}
    if not isinstance(kept, dict):
        raise ValueError("it does not hold connections")
    return kept


def write(root: str, kept: dict[str, Any]) -> None:
    """Keep the connections, whole or not at all."""
    from onduty.client import files

    place.make(root)
    os.chmod(root, 0o700)
    files.write(place.agents_file(root), (json.dumps(kept, indent=2) + "\n").encode(), mode=0o600)


def repository(folder: str) -> dict[str, str]:
    """What the repository that the folder is in names: `project` and `role`, and nothing else counts."""
    for _ in range(_FOLDERS_UP):
        try:
            with open(os.path.join(folder, REPOSITORY_FILE), encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            found = None
        if isinstance(found, dict):
            return {key: found[key] for key in ("project", "role") if isinstance(found.get(key), str) and found[key]}
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    return {}


def heading(client: str, connection: dict[str, Any], named: dict[str, str]) -> dict[str, Any]:
    """Under which the events of one run go: server, project, machine, role and client."""
    found = {
        "origin": connection["origin"],
        "client": client,
        "project": named.get("project") or connection.get("project"),
        "role": named.get("role") or connection.get("role"),
        "machine": connection.get("machine"),
    }
    return {key: value for key, value in found.items() if value}
