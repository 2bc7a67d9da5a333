"""What agents report while somebody looks at a page."""

from __future__ import annotations

from itertools import count
from typing import Any

from onduty.clock import rfc3339, wall_ms
from tests.serving import Server

_NAMES = count()
WITHIN_MS = 6_000


def new_project(server: Server) -> str:
    made = server.call("POST", "/api/projects", token=server.owner_token, json={"name": f"project {next(_NAMES)}"})
    assert made.status == 201, made.body
    return str(made.json["id"])


def register(server: Server, project: str, **fields: Any) -> str:
    path = f"/api/projects/{project}/agent-sessions"
    body = {"machine_id": "laptop", "caller_origin": "claude-code", "client_ref": f"r{next(_NAMES)}", **fields}
    answer = server.call("POST", path, token=server.owner_token, json=body)
    assert answer.status == 201, answer.body
    return str(answer.json["session_id"])


def tell(server: Server, project: str, session: str, kind: str, ago_ms: int = 0, **fields: Any) -> None:
    """An event of a session, which happened so long ago."""
    now = wall_ms()
    event = {"id": f"{kind}-{next(_NAMES)}", "kind": kind, "at": rfc3339(now - ago_ms), "session": session, **fields}
    body = {"sent_at": rfc3339(now), "project_id": project, "machine_id": "laptop", "events": [event]}
    answer = server.call("POST", "/api/agent-events", token=server.owner_token, json=body)
    assert answer.json["results"][0]["status"] == "accepted", answer.body


def announced(server: Server, project: str, ago_ms: int, **fields: Any) -> str:
    """A session that is known by one prompt alone, of so long ago."""
    alias = f"alias-{next(_NAMES)}"
    tell(server, project, alias, "prompt", ago_ms, **fields)
    rows = server.call(
        "GET",
        f"/api/projects/{project}/agent-sessions?active=false&state=working,waiting,idle,quiet",
        token=server.owner_token,
    ).json["sessions"]
    return str(max(rows, key=lambda row: row["connected_at"])["session_id"])


def end(server: Server, session: str) -> None:
    assert server.call("DELETE", f"/api/agent-sessions/{session}", token=server.owner_token).status == 204
