"""What a scripted model says: the steps of a script, and their form in Anthropic's Messages API."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """Ends the model's turn with a text; the client then waits for its person, or leaves in print mode."""

    text: str


@dataclass(frozen=True)
class Call:
    """Asks the client to run a tool, `Bash` or `mcp__onduty__whoami`; the next step answers the tool's result."""

    tool: str
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wait:
    """Keeps the client waiting for the model until `event` is set, `seconds` at most; then the next step follows."""

    seconds: float
    event: threading.Event = field(default_factory=threading.Event)


Step = Say | Call | Wait
Answer = Say | Call


def message(model: str, answer: Answer) -> Json:
    """The answer as a whole message, for a request without `stream`."""
    return {**_opening(model), "content": [_block(answer)], "stop_reason": _stop_reason(answer)}


def stream_opening(model: str) -> Json:
    """The first event of a streamed answer, which can be sent before the answer is known."""
    return {"type": "message_start", "message": _opening(model)}


def stream_rest(answer: Answer) -> Iterator[Json]:
    """The events of a streamed answer that follow its opening."""
    block = _block(answer)
    if isinstance(answer, Call):
        delta: Json = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        block["input"] = {}
    else:
        delta = {"type": "text_delta", "text": block["text"]}
        block["text"] = ""
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    ending = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
    yield {"type": "message_delta", "delta": ending, "usage": {"output_tokens": 1}}
    yield {"type": "message_stop"}


def _opening(model: str) -> Json:
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def _block(answer: Answer) -> Json:
    if isinstance(answer, Call):
        return {
            "type": "tool_use",
            "id": f"toolu_{uuid.uuid4().hex[:24]}",
            "name": answer.tool,
            "input": dict(answer.input),
        }
    return {"type": "text", "text": answer.text}


def _stop_reason(answer: Answer) -> str:
    return "tool_use" if isinstance(answer, Call) else "end_turn"
