"""The steps of a script in the form of OpenAI's Responses API, which Codex speaks, and what its tools answered."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

from .script import Answer, Call, Json

PATH = "/v1/responses"
# What is called where the tool that is due is not offered yet, since its server is still being connected to.
PAUSE = Call("exec_command", {"cmd": "sleep 1"})


def opening() -> Json:
    """The first event of a streamed answer, which can be sent before the answer is known."""
    return {"type": "response.created", "response": {"id": f"resp_{uuid.uuid4().hex}"}}


def rest(answer: Answer) -> Iterator[Json]:
    """The events of a streamed answer that follow its opening."""
    item = _item(answer)
    bare: Json = {"arguments": ""} if isinstance(answer, Call) else {"content": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": {**item, **bare}}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    yield {"type": "response.completed", "response": {"id": f"resp_{uuid.uuid4().hex}", "usage": usage}}


def offered(body: Json) -> set[str]:
    """The names of the tools that a request offers, as a script calls them."""
    found = set()
    for tool in body.get("tools", []):
        inner = tool.get("tools", [])
        found |= {f"{tool['name']}__{each['name']}" for each in inner} if inner else {str(tool.get("name"))}
    return found


def outputs(body: Json) -> dict[str, str]:
    """What the tools of a request answered, by the id of the call."""
    found = {}
    for item in body.get("input", []):
        if item.get("type") == "function_call_output":
            said = item["output"]
            text = said if isinstance(said, str) else "".join(part.get("text", "") for part in said)
            found[item["call_id"]] = text.rpartition("Output:\n")[2]
    return found


def _item(answer: Answer) -> Json:
    if not isinstance(answer, Call):
        text = {"type": "output_text", "text": answer.text, "annotations": []}
        return {"type": "message", "role": "assistant", "id": f"msg_{uuid.uuid4().hex}", "content": [text]}
    space, _, name = answer.tool.rpartition("__")
    words = {"name": name, "namespace": space} if space else {"name": name}
    call = {"type": "function_call", "id": f"fc_{uuid.uuid4().hex}", "call_id": f"call_{uuid.uuid4().hex[:20]}"}
    return {**call, **words, "arguments": json.dumps(dict(answer.input))}
