"""Runs in the generator's environment: a whole story through the generated package `client`, found on PYTHONPATH.

Arguments: the server's address, and the owner's token. Prints what came of it as one JSON object.
"""

# mypy: ignore-errors
# The package is made by the test that runs this; nothing of it is there when these are checked.

import json
import sys
from uuid import UUID

from client import AuthenticatedClient
from client.api.agent_events import record_agent_events
from client.api.agent_sessions import (
    change_agent_session,
    end_agent_session,
    get_agent_session,
    list_project_agent_sessions,
    record_activity,
    register_agent_session,
)
from client.api.identity import create_token, get_me
from client.api.projects import create_project, list_projects
from client.models import (
    AgentSessionChange,
    Error,
    EventBatch,
    ListProjectAgentSessionsActive,
    NewAgentSession,
    NewProject,
    TokenWanted,
)

address, token = sys.argv[1:]
owner = AuthenticatedClient(address, token, raise_on_unexpected_status=True)
me = get_me.sync(client=owner)
project = create_project.sync(client=owner, body=NewProject(name="generated"))
listed = list_projects.sync(client=owner)
narrowed = create_token.sync(client=owner, body=TokenWanted(name="generated", project_ids=[project.id]))
agent = AuthenticatedClient(address, narrowed.token, raise_on_unexpected_status=True)
wanted = NewAgentSession(machine_id="laptop", caller_role="backend", client_ref="thread-1")
made = register_agent_session.sync_detailed(project.id, client=agent, body=wanted)
again = register_agent_session.sync_detailed(project.id, client=agent, body=wanted)
session_id = UUID(made.parsed.session_id)
acted = record_activity.sync_detailed(session_id, client=agent)
said = change_agent_session.sync(session_id, client=agent, body=AgentSessionChange(said="hello"))
at = said.last_activity_at
event = {"id": "1", "kind": "prompt", "at": at.isoformat(), "session": "thread-1"}
batch = EventBatch.from_dict({"sent_at": at.isoformat(), "machine_id": "laptop", "events": [event]})
told = record_agent_events.sync(client=agent, body=batch)
active = list_project_agent_sessions.sync_detailed(project.id, client=agent)
ended = end_agent_session.sync_detailed(session_id, client=agent)
refused = record_activity.sync(session_id, client=agent)
kept = list_project_agent_sessions.sync(project.id, client=agent, active=ListProjectAgentSessionsActive.FALSE)
one = get_agent_session.sync(session_id, client=agent)
assert isinstance(refused, Error)

found = {
    "name": me.name,
    "projects": [row.name for row in listed.projects],
    "registered": [made.status_code, again.status_code, again.parsed.session_id == made.parsed.session_id],
    "acted": acted.status_code,
    "said": said.said,
    "events": [item.status for item in told.results],
    "active": [[row.state.value, row.because.signal.value, row.caller_role] for row in active.parsed.sessions],
    "ended": ended.status_code,
    "refused": [refused.code, refused.error],
    "kept": [[row.state.value, row.end_reason] for row in kept.sessions],
    "one": one.state.value,
}
sys.stdout.write(json.dumps(found))
