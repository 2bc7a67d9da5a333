"""Old clients against this server: what each released version sent is kept, sent again, and read as it was meant.

`claude/VERSION` holds what Claude Code told its hooks, `sent/VERSION.json` what our hook program made of it and sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import onduty
from tests.client.machine import Batch, Machine, Receiver
from tests.mcp.speaking import Desk, new_project, new_token
from tests.serving import Server

HERE = Path(__file__).parent
CLAUDE = sorted(folder.name for folder in (HERE / "claude").iterdir())
SENT = sorted(file.stem for file in (HERE / "sent").iterdir())
# A long life of one agent, and how it is shown after each thing that it tells.
LIFE = (
    ("SessionStart-startup", "idle none"),
    ("UserPromptSubmit", "working turn"),
    ("PreToolUse", "working tool"),
    ("PermissionRequest", "waiting wait"),
    ("Notification-permission_prompt", "waiting wait"),
    ("PostToolUse", "working turn"),
    ("PostToolUseFailure", "working turn"),
    ("SubagentStart", "working subagent"),
    ("PreToolUse-subagent", "working subagent"),
    ("PostToolUse-subagent", "working subagent"),
    ("SubagentStop", "working turn"),
    ("PreCompact", "working turn"),
    ("SessionStart-compact", "working turn"),
    ("Stop", "idle none"),
    ("Notification-idle_prompt", "idle none"),
    ("SessionEnd-clear", "idle none"),
    ("SessionStart-clear", "idle none"),
    ("UserPromptSubmit", "working turn"),
    ("StopFailure", "idle none"),
    ("SessionEnd-resume", "idle none"),
    ("SessionStart-resume", "idle none"),
    ("SessionEnd-prompt_input_exit", "ended end"),
    ("SessionStart-resume", "idle none"),
    ("SessionEnd-other", "ended end"),
)


@pytest.fixture
def desk(server: Server, request: pytest.FixtureRequest) -> Desk:
    project = new_project(server, request.node.name)
    return Desk(server, project, new_token(server, project_ids=[project]))


def lived(desk: Desk, tell: Callable[[int], None]) -> None:
    """Tell the life step by step; after each there is one row, and it reads as it should."""
    for number, (name, shown) in enumerate(LIFE):
        tell(number)
        [row] = desk.rows()
        assert f"{row['state']} {row['because']['signal']}" == shown, f"{number}: {name}"
        assert row["caller_origin"] == "claude-code"


def run_hook(machine: Machine, version: str, name: str) -> None:
    sent = payload(version, name)
    if name == "PermissionRequest":
        # It was recorded in another run: here it is about the tool use before it.
        used = payload(version, "PreToolUse")
        sent |= {word: used[word] for word in ("session_id", "tool_input")}
    machine.run(name.partition("-")[0], json.dumps(sent).encode())


def payload(version: str, name: str) -> dict[str, Any]:
    return dict(json.loads((HERE / "claude" / version / f"{name}.json").read_text()))


@pytest.mark.parametrize("version", CLAUDE)
def test_what_claude_code_told_its_hooks(desk: Desk, tmp_path: Path, version: str) -> None:
    """All of it is one agent: the process is the same whatever its client calls the conversation."""
    machine = Machine(tmp_path, desk.server.url, token=desk.token, project=desk.project_id)

    def tell(number: int) -> None:
        run_hook(machine, version, LIFE[number][0])
        # On a busy machine it may have come too late.
        machine.deliver()

    lived(desk, tell)
    told = {name for name, _ in LIFE} | {"SessionStart-fork"}
    assert {file.stem for file in (HERE / "claude" / version).iterdir()} <= told


@pytest.mark.parametrize("version", SENT)
def test_what_our_own_program_sent(desk: Desk, version: str) -> None:
    batches: list[Batch] = json.loads((HERE / "sent" / f"{version}.json").read_text())

    def tell(number: int) -> None:
        body = {**batches[number], "project_id": desk.project_id}
        answer = desk.server.call("POST", "/api/agent-events", token=desk.token, json=body)
        assert answer.status == 200, answer.body
        assert [result["status"] for result in answer.json["results"]] == ["accepted"]

    lived(desk, tell)


def test_what_this_version_sends_is_kept(tmp_path: Path) -> None:
    """A release that sends something else keeps the old file and gets one of its own."""
    kept = json.loads((HERE / "sent" / f"{onduty.__version__}.json").read_text())
    assert [shape(batch) for batch in kept] == [shape(batch) for batch in record(tmp_path)]


def record(root: Path) -> list[Batch]:
    """What the hook program sends of this life, without what is of the machine that it runs on."""
    with Receiver() as receiver:
        machine = Machine(root, receiver.origin)
        for name, _ in LIFE:
            run_hook(machine, CLAUDE[-1], name)
    for event in receiver.events:
        event["process"] = {"boot": "b1", "pid": 7, "started": "70", "parents": [{"pid": 5, "started": "50"}]}
    return receiver.batches


def shape(batch: Batch) -> list[Any]:
    """The fields of a batch, and of its events with their kinds."""
    events = [(event["kind"], sorted(event), sorted(event["process"])) for event in batch["events"]]
    return [sorted(batch), events]
