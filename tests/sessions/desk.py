"""Where somebody sits who asks a real server about sessions, in a project of their own."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.asking import Answer
from tests.serving import Server
from tests.sessions.contract import validated_error, validated_row

_NAMES = count()
SESSIONS = "/api/projects/{}/agent-sessions"

# What clients send in these tests happened then, by their clock, and was sent then: its age is the difference.
AT = "2026-01-01T12:00:00Z"


def event(name: str, kind: str, **rest: Any) -> dict[str, Any]:
    """An event as a client sends it."""
    return {"id": name, "kind": kind, "at": AT, "session": "thread", **rest}


class Desk:
    """A project of the test's own, and its owner who asks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        made = self.ask("POST", "/api/projects", {"name": f"desk {next(_NAMES)}"})
        assert made.status == 201, made.body
        self.project: str = made.json["id"]

    def ask(self, method: str, path: str, json: Any = None) -> Answer:
        return self.server.call(method, path, token=self.server.owner_token, json=json)

    def register(self, **fields: Any) -> Answer:
        return self.ask("POST", SESSIONS.format(self.project), {"machine_id": "laptop", **fields})

    def new(self, **fields: Any) -> dict[str, Any]:
        """The row of a session that was just made."""
        answer = self.register(**fields)
        assert answer.status == 201, answer.body
        row: dict[str, Any] = validated_row(answer.json)
        return row

    def row(self, session_id: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/api/agent-sessions/{session_id}")
        assert answer.status == 200, answer.body
        row: dict[str, Any] = validated_row(answer.json)
        return row

    def change(self, session_id: str, fields: Any) -> Answer:
        return self.ask("PATCH", f"/api/agent-sessions/{session_id}", fields)

    def act(self, session_id: str) -> Answer:
        return self.ask("POST", f"/api/agent-sessions/{session_id}/activity")

    def end(self, session_id: str) -> Answer:
        return self.ask("DELETE", f"/api/agent-sessions/{session_id}")

    def report(self, *events: dict[str, Any], **batch: Any) -> Answer:
        body = {"sent_at": AT, "project_id": self.project, "machine_id": "laptop", "events": list(events), **batch}
        return self.ask("POST", "/api/agent-events", body)

    def ids(self, query: str = "?active=false") -> list[str]:
        answer = self.ask("GET", SESSIONS.format(self.project) + query)
        return [row["session_id"] for row in answer.json["sessions"]]


def refused(answer: Answer, status: int, *fields: str, code: str | None = None) -> None:
    """Assert a refusal of this status, at these fields, as the one error object."""
    assert answer.status == status, answer.body
    error = validated_error(answer.json)
    assert list(error.get("fieldErrors", {})) == list(fields)
    assert code is None or error["code"] == code
