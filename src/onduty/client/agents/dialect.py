"""What clients share whose hooks are like Claude Code's: payloads, answers, and entries of `hooks` in a JSON file."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

LONGEST_QUESTION = 10_000


def text(payload: Mapping[str, Any], name: str, limit: int = 120) -> str:
    """A text of the payload, '' where it is none."""
    value = payload.get(name)
    return value[:limit] if isinstance(value, str) else ""


def call(payload: Mapping[str, Any], given: object) -> str:
    """By which a tool use and the question whether it may run are known as the same; it stays on this machine."""
    words = json.dumps(given, sort_keys=True).encode()
    return f"{text(payload, 'tool_name')}:{text(payload, 'agent_id')}:{zlib.crc32(words):x}"


def question(payload: Mapping[str, Any]) -> str:
    """What the person reads who is asked about a tool or by it, as it came."""
    given = payload.get("tool_input")
    if not isinstance(given, dict):
        return ""
    asked = given.get("questions")
    if isinstance(asked, list) and asked and isinstance(asked[0], dict):
        return text(asked[0], "question", LONGEST_QUESTION)
    named = ("command", "file_path", "notebook_path", "url")
    about = next((said for name in named if (said := text(given, name, LONGEST_QUESTION))), "")
    described = text(given, "description", LONGEST_QUESTION)
    return f"{about} ({described})" if about and described else about


def output(event: str, words: dict[str, Any]) -> str:
    """What the client reads on stdout."""
    return json.dumps({"hookSpecificOutput": {"hookEventName": event, **words}})


def hook(command: str, timeout: int) -> dict[str, Any]:
    """An entry that starts the command; `timeout` in seconds."""
    return {"hooks": [{"type": "command", "command": command, "timeout": timeout}]}


def is_hook_of(name: str, item: Any) -> bool:
    """Whether an entry is ours for the client of this name."""
    hooks = item.get("hooks") if isinstance(item, dict) else None
    if not isinstance(hooks, list) or len(hooks) != 1 or not isinstance(hooks[0], dict):
        return False
    command = str(hooks[0].get("command"))
    return "onduty-client" in command and f" hook {name} " in command


def command_in(path: str, name: str, event: str) -> str | None:
    """The line that the file says for this event, None where we are not in it."""
    try:
        with open(path, encoding="utf-8") as file:
            items = json.load(file)["hooks"][event]
        return next(str(item["hooks"][0]["command"]) for item in items if is_hook_of(name, item))
    except (OSError, ValueError, LookupError, TypeError, StopIteration):
        return None
