"""The shapes of sessions in answers, for the document; answers themselves are written by `rows`."""

from pydantic import Field

from onduty.sessions.model import Signal, State
from onduty.shapes import Answer, Error, Time, Uuid


class BecauseAnswer(Answer):
    """Why the state is shown: facts with instants, absent ones absent."""

    signal: Signal
    at: Time
    tool: str | None = None
    tool_since: Time | None = None
    waits_for: str | None = None
    question: str | None = Field(
        None, description="Its own words, where the person who connected the client shares them"
    )
    silent_since: Time | None = None


class AgentSessionAnswer(Answer):
    session_id: str
    machine_id: str
    user_id: str
    project_id: Uuid | None
    caller_role: str | None
    caller_origin: str | None
    connected_at: Time | None
    last_activity_at: Time
    state: State
    because: BecauseAnswer
    connected: bool
    client_version: str | None
    branch: str | None
    folder: str | None
    said: str | None
    ticket: str | None
    parent_session_id: str | None
    ended_at: Time | None
    end_reason: str | None


class AgentSessionsAnswer(Answer):
    sessions: list[AgentSessionAnswer]
    next_cursor: str | None = None


class ResultAnswer(Answer):
    id: str
    status: str
    session_id: str | None = None
    error: Error | None = None


class OnDutyAnswer(Answer):
    """How many are on duty; a role that is no plain word counts as `other`, no role as `none`."""

    agents: int
    waiting: int
    roles: dict[str, int]


class ResultsAnswer(Answer):
    results: list[ResultAnswer]
    on_duty: OnDutyAnswer | None = None
