"""The scripted model itself: what it answers to a client, and what leaves its script alone."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from .script import Call, Json, Say, Wait
from .scripted_model import WAIT_TOOL, ScriptedModel


def test_a_script_is_answered_turn_by_turn() -> None:
    with ScriptedModel([Call("Bash", {"command": "ls"}), Wait(0.1), Say("seen")]) as model:
        block = ask(model, tools=["Bash"])["content"][0]
        assert (block["type"], block["name"], block["input"]) == ("tool_use", "Bash", {"command": "ls"})
        assert ask(model, tools=["Bash"])["content"] == [{"type": "text", "text": "seen"}]
        assert ask(model, tools=["Bash"])["content"][0]["text"] == "done"


def test_a_request_without_tools_leaves_the_script_alone() -> None:
    with ScriptedModel([Say("seen")]) as model:
        ask(model, tools=[])
        assert model.left == 1
        assert [seen.step for seen in model.seen] == [False]


def test_a_call_waits_until_its_server_is_connected() -> None:
    with ScriptedModel([Call("mcp__onduty__whoami")]) as model:
        assert ask(model, tools=[WAIT_TOOL])["content"][0]["name"] == WAIT_TOOL
        assert ask(model, tools=[WAIT_TOOL, "mcp__onduty__whoami"])["content"][0]["name"] == "mcp__onduty__whoami"


def test_a_streamed_answer_carries_the_same_call() -> None:
    with ScriptedModel([Call("Bash", {"command": "ls"})]) as model:
        events = [json.loads(line[6:]) for line in post(model, ["Bash"], stream=True) if line.startswith(b"data: ")]
    assert [event["type"] for event in events][0::5] == ["message_start", "message_stop"]
    assert json.loads(events[2]["delta"]["partial_json"]) == {"command": "ls"}
    assert events[4]["delta"]["stop_reason"] == "tool_use"


def ask(model: ScriptedModel, tools: list[str]) -> Json:
    answer: dict[str, Any] = json.loads(b"".join(post(model, tools, stream=False)))
    return answer


def post(model: ScriptedModel, tools: list[str], *, stream: bool) -> list[bytes]:
    body = {"model": "scripted", "stream": stream, "tools": [{"name": name} for name in tools], "messages": []}
    request = urllib.request.Request(f"{model.url}/v1/messages", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return list(answer)
