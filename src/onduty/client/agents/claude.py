"""Claude Code: what its hooks mean, what it is answered, and which of its files name us.

Hooks: https://code.claude.com/docs/en/hooks. Proven with 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from typing import Any

NAME = "claude"
TITLE = "Claude Code"
ORIGIN = "claude-code"
PROGRAM = "claude"
SERVER_NAME = "onduty"
EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PermissionRequest",
    "Notification",
    "SubagentStart",
    "SubagentStop",
    "Stop",
    "StopFailure",
    "PreCompact",
    "SessionEnd",
)
# Seconds; the hook program itself ends within one.
_TIMEOUT = 5
_KINDS = {
    "SessionStart": "start",
    "UserPromptSubmit": "prompt",
    "PreToolUse": "tool_started",
    "PostToolUse": "tool_ended",
    "PostToolUseFailure": "tool_ended",
    # It names no tool use: the one announced last with the same input is meant.
    "PermissionRequest": "waiting",
    "SubagentStart": "subagent_started",
    "SubagentStop": "subagent_ended",
    "Stop": "turn_ended",
    "StopFailure": "turn_ended",
    "PreCompact": "activity",
    "SessionEnd": "end",
}
# A permission's notice comes 6 s after its PermissionRequest, or never: it tells nothing new.
_NOTICES = {
    "idle_prompt": "turn_ended",
    "elicitation_dialog": "waiting",
    "elicitation_complete": "answered",
    "elicitation_response": "answered",
}
_ENDS = {"clear": "clear", "resume": "resume", "logout": "logout", "prompt_input_exit": "exit"}


def told(event: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event as it goes to the server, without id and time; `call` is for this machine alone. None: nothing."""
    session = _text(payload, "session_id")
    kind = (
        _NOTICES.get(_text(payload, "notification_type"), "activity") if event == "Notification" else _KINDS.get(event)
    )
    if not session or kind is None:
        return None
    found: dict[str, Any] = {"kind": kind, "session": session, "subagent": _text(payload, "agent_id")}
    if kind == "start":
        found["reason"] = _text(payload, "source")
    elif kind == "end":
        found["reason"] = _ENDS.get(_text(payload, "reason"), "other")
    elif kind in ("subagent_started", "subagent_ended"):
        if not found["subagent"]:
            return None
        found["tool"] = _text(payload, "agent_type")
    elif event in ("PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest"):
        found["tool"] = _text(payload, "tool_name")
        found["tool_id"] = _text(payload, "tool_use_id")
        found["call"] = _call(payload)
    return found


def answer(event: str, payload: Mapping[str, Any], reply: Mapping[str, Any]) -> str:
    """What Claude Code reads on stdout. `reply` has our `session`, and of a start what the server says is `on_duty`."""
    session = reply.get("session")
    if not session:
        return ""
    if event == "SessionStart":
        from onduty.client.agents import wording

        return _output(event, {"additionalContext": wording.context(str(session), reply.get("on_duty"))})
    given = payload.get("tool_input")
    if event == "PreToolUse" and _is_ours(payload) and isinstance(given, dict):
        # No decision: whether the tool may run is asked as if this were not here.
        return _output(event, {"updatedInput": {**given, "session": session}})
    return ""


def folder(payload: Mapping[str, Any]) -> str:
    """The folder that it works in."""
    return os.environ.get("CLAUDE_PROJECT_DIR") or _text(payload, "cwd", 4096)


def process() -> int | None:
    """Its process, where the hook's environment names it."""
    named = os.environ.get("CLAUDE_PID", "")
    return int(named) if named.isdigit() else None


def _call(payload: Mapping[str, Any]) -> str:
    given = json.dumps(payload.get("tool_input"), sort_keys=True).encode()
    return f"{_text(payload, 'tool_name')}:{_text(payload, 'agent_id')}:{zlib.crc32(given):x}"


def _is_ours(payload: Mapping[str, Any]) -> bool:
    return _text(payload, "tool_name").startswith(f"mcp__{SERVER_NAME}__")


def _output(event: str, words: dict[str, Any]) -> str:
    return json.dumps({"hookSpecificOutput": {"hookEventName": event, **words}})


def _text(payload: Mapping[str, Any], name: str, limit: int = 120) -> str:
    value = payload.get(name)
    return value[:limit] if isinstance(value, str) else ""
