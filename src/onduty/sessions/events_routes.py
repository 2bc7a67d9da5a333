"""REST for events of agents."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, Field, model_validator

from onduty.answers import problem_answer
from onduty.api import Route, parse_json
from onduty.cleaning import BRANCH, EVENT_ID, FOLDER, MACHINE, ORIGIN, QUESTION, REF, ROLE, TOOL, TOOL_ID, VERSION
from onduty.client.masking import masked
from onduty.errors import Invalid
from onduty.identity.asking import Caller, Now, machine_of, project_words
from onduty.sessions.events import Batch, Events, Result, Told
from onduty.sessions.fold import MAX_STAMP, Kind
from onduty.sessions.processes import Process
from onduty.sessions.shown import ResultsAnswer
from onduty.shapes import SEEN, Body, Slug, Time, Uuid, Words, example, refusals

router = APIRouter(route_class=Route, tags=["agent events"])

EVENTS: int = 500
BOOT: int = 64
STARTED: int = 64
_ABOUT_SUBAGENTS = ("subagent_started", "subagent_ended")
_SUBAGENT_NAMED: dict[str, Any] = {
    "if": {"properties": {"kind": {"enum": [*_ABOUT_SUBAGENTS]}}, "required": ["kind"]},
    "then": {"properties": {"subagent": {"type": "string", "pattern": SEEN}}, "required": ["subagent"]},
}


def _events(request: Request) -> Events:
    room: Events = request.app.state.events
    return room


Room = Annotated[Events, Depends(_events)]


class ParentItem(Body):
    pid: int = Field(ge=0, le=MAX_STAMP)
    started: Annotated[str, Words(STARTED, required=True)]


class ProcessItem(ParentItem):
    """The client's own process; `parents` are those above it, the nearest first."""

    boot: Annotated[str, Words(BOOT, required=True)]
    parents: list[ParentItem] = Field(default_factory=list, max_length=32)

    def told(self) -> Process:
        above = tuple(Process(self.boot, each.pid, each.started) for each in self.parents)
        return Process(self.boot, self.pid, self.started, above)


class EventItem(Body):
    model_config = ConfigDict(json_schema_extra=_SUBAGENT_NAMED)

    id: Annotated[str, Words(EVENT_ID, required=True)]
    kind: Kind
    at: Time
    session: Annotated[str, Words(REF, required=True)]
    stamp: int | None = Field(None, ge=0, le=MAX_STAMP)
    tool: Annotated[str, Words(TOOL)] | None = None
    tool_id: Annotated[str, Words(TOOL_ID)] | None = None
    subagent: Annotated[str, Words(TOOL_ID)] | None = None
    reason: Annotated[str, Words(TOOL)] | None = None
    branch: Annotated[str, Slug(BRANCH)] | None = None
    folder: Annotated[str, Words(FOLDER)] | None = None
    parent: Annotated[str, Words(REF)] | None = Field(
        None, description="The session that this one was started from, where the event makes it: our id or the client's"
    )
    question: Annotated[str, Words(QUESTION)] | None = Field(
        None, description="Of a wait: its own words, where the person who connected the client shares them"
    )
    process: ProcessItem | None = None

    @model_validator(mode="after")
    def names_its_subagent(self) -> Self:  # noqa: N804 - pydantic calls it on the model
        if self.kind in _ABOUT_SUBAGENTS and not self.subagent:
            raise Invalid.at("subagent", f"is required for {self.kind}")
        return self

    def told(self) -> Told:
        return Told(
            id=self.id,
            kind=self.kind,
            at=self.at,
            session=self.session,
            stamp=self.stamp,
            tool=self.tool or "",
            tool_id=self.tool_id or "",
            subagent=self.subagent or "",
            reason=self.reason or "",
            parent=self.parent or "",
            question=masked(self.question or ""),
            words={name: value for name in ("branch", "folder") if (value := getattr(self, name))},
            process=None if self.process is None else self.process.told(),
        )


class EventBatch(Body):
    model_config = example(
        sent_at="2026-11-24T08:07:00.000Z",
        caller_origin="claude-code",
        events=[{"id": "e1", "kind": "prompt", "at": "2026-11-24T08:06:59.000Z", "session": "thread-1"}],
    )

    sent_at: Time
    project_id: Uuid | None = None
    machine_id: Annotated[str, Slug(MACHINE)] | None = None
    caller_origin: Annotated[str, Words(ORIGIN)] | None = None
    client_version: Annotated[str, Words(VERSION)] | None = None
    caller_role: Annotated[str, Words(ROLE)] | None = None
    tell: bool = Field(False, description="Say also how many are on duty where these events belong")
    events: list[EventItem] = Field(max_length=EVENTS)


def _item(result: Result) -> dict[str, Any]:
    item: dict[str, Any] = {"id": result.id, "status": result.status}
    if result.session_id is not None:
        item["session_id"] = result.session_id
    if result.problem is not None:
        item["error"] = parse_json(problem_answer(result.problem)[2])
    return item


@router.post(
    "/agent-events",
    operation_id="recordAgentEvents",
    summary="Report what agents did; what is accepted is durable",
    response_model=ResultsAnswer,
    response_model_exclude_none=True,
    responses=refusals(400, 401, 403, 413, 415, 429, 503),
)
async def record(caller: Caller, now: Now, request: Request, room: Room, body: EventBatch) -> Any:
    batch = Batch(
        sent_at=body.sent_at,
        machine_id=machine_of(request, caller, body.machine_id),
        project_id=body.project_id or room.projects.asked(caller, *project_words(request)),
        events=[item.told() for item in body.events],
        words={name: value for name in ("caller_origin", "client_version") if (value := getattr(body, name))},
        caller_role=body.caller_role or None,
    )
    results = await room.record(caller, batch)
    counts = room.on_duty(results, now) if body.tell else None
    return {"results": [_item(result) for result in results], **({} if counts is None else {"on_duty": counts})}
