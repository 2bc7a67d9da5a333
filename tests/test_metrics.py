"""What a monitoring system sees: everything that is counted, nothing that names anybody, and only for whom it is."""

import re

from tests.asking import ask
from tests.serving import Server, server

__all__ = ["server"]

_SAMPLE = re.compile(r"^(onduty_[a-z_]+)(?:\{([^}]*)\})? (\S+)$")


def _samples(server: Server) -> dict[tuple[str, str], float]:
    answer = server.call("GET", "/metrics", token=None)
    assert answer.status == 200
    lines = [line for line in answer.body.decode().splitlines() if line and not line.startswith("#")]
    found = [_SAMPLE.match(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return {(match[1], match[2] or ""): float(match[3]) for match in found if match}


def test_requests_sessions_and_events_are_counted(server: Server) -> None:
    body = {"machine_id": "secret-machine", "caller_origin": "claude-code", "client_ref": "metrics"}
    made = server.call("POST", f"/api/projects/{server.project_id}/agent-sessions", json=body)
    server.call("POST", f"/api/agent-sessions/{made.json['session_id']}/activity")
    server.call("GET", f"/api/projects/{server.project_id}/agent-sessions")
    event = {"id": "1", "kind": "prompt", "at": "2026-01-01T00:00:00Z", "session": "metrics"}
    batch = {"sent_at": "2026-01-01T00:00:00Z", "machine_id": "secret-machine", "events": [event]}
    server.call("POST", "/api/agent-events", json=batch)
    server.call("GET", "/api/me", token=None)
    found = _samples(server)
    assert found["onduty_requests_total", 'operation="recordActivity",status="204"'] >= 1
    assert found["onduty_requests_total", 'operation="listProjectAgentSessions",status="200"'] >= 1
    assert found["onduty_requests_total", 'operation="registerAgentSession",status="201"'] >= 1
    assert found["onduty_requests_total", 'operation="getMe",status="401"'] >= 1
    assert found["onduty_events_total", 'kind="prompt",status="accepted"'] == 1
    assert found["onduty_sessions", 'origin="claude-code",state="working"'] == 1
    assert found["onduty_ready", ""] == 1


def test_nobody_is_named(server: Server) -> None:
    """No project, user or machine stands there, and an origin that is not known is `other`."""
    body = {"machine_id": "secret-machine", "caller_origin": "my-own-bot"}
    server.call("POST", f"/api/projects/{server.project_id}/agent-sessions", json=body)
    text = server.call("GET", "/metrics", token=None).body.decode()
    for secret in ("secret-machine", "my-own-bot", server.project_id, server.token):
        assert secret not in text
    assert 'origin="other"' in text


def test_who_asks_from_elsewhere_needs_a_token_that_was_made_for_it(server: Server) -> None:
    """A forwarded request is not from here, whatever its peer."""
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    made = server.call("POST", "/api/tokens", token=server.owner_token, json={"name": "m", "metrics": True})
    for token, status in ((None, 401), (server.token, 403), (made.json["token"], 200)):
        assert ask(server.port, "GET", "/metrics", token=token, headers=forwarded).status == status
