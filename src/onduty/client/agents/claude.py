"""Claude Code: what its hooks mean, what it is answered, and which of its files name us.

Hooks: https://code.claude.com/docs/en/hooks. Proven with 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onduty.client import processes

if TYPE_CHECKING:
    from onduty.client.edits import JsonFile

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
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST_QUESTION = 10_000
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
# Tools that are themselves a question: what they wait for is an answer, not a permission.
_QUESTIONS = ("AskUserQuestion", "ExitPlanMode")
_ENDS = {"clear": "clear", "resume": "resume", "logout": "logout", "prompt_input_exit": "exit"}


def told(event: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event as it goes to the server, without id and time. None: nothing.

    Two words are for this machine alone: `call`, which a question is known by, and `is_ours`, of a call of our tools.
    """
    session = _text(payload, "session_id")
    kind = (
        _NOTICES.get(_text(payload, "notification_type"), "activity") if event == "Notification" else _KINDS.get(event)
    )
    if not session or kind is None:
        return None
    found: dict[str, Any] = {"kind": kind, "session": session, "subagent": _text(payload, "agent_id")}
    if kind == "start":
        found |= _start(session, _text(payload, "source"))
    elif kind == "end":
        found["reason"] = _ENDS.get(_text(payload, "reason"), "other")
    elif kind in ("subagent_started", "subagent_ended"):
        if not found["subagent"]:
            return None
        found["tool"] = _text(payload, "agent_type")
    elif event in ("PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest"):
        name = _text(payload, "tool_name")
        found["tool"] = "" if kind == "waiting" and name in _QUESTIONS else name
        found["tool_id"] = _text(payload, "tool_use_id")
        found["call"] = _call(payload)
        if event == "PreToolUse" and _is_ours(payload):
            found["is_ours"] = True
    return found


def _start(session: str, source: str) -> dict[str, str]:
    """What a start tells: of a `--fork-session` the parent too, which no payload names (on Linux its arguments do)."""
    running = processes.client(process()) if source in ("fork", "resume") else None
    arguments = [] if running is None else processes.arguments(running["pid"])
    if source == "fork":
        return {"reason": source, **_resumed(arguments)}
    # 2.1.197 says `resume` and the parent's id; the fork's own stands in the name of a folder.
    own = os.path.basename(os.path.dirname(os.environ.get("CLAUDE_ENV_FILE", "")))
    if "--fork-session" in arguments and own != session and _ID.fullmatch(own):
        return {"session": own, "reason": "fork", "parent": session}
    return {"reason": source}


def _resumed(arguments: Sequence[str]) -> dict[str, str]:
    for place, name in enumerate(arguments[:-1]):
        if name in ("--resume", "-r") and _ID.fullmatch(arguments[place + 1]):
            return {"parent": arguments[place + 1]}
    return {}


def question(event: str, payload: Mapping[str, Any]) -> str:
    """What the person reads who is asked, as it came: it leaves this machine only where that person shares it."""
    if event == "Notification":
        return _text(payload, "message", _LONGEST_QUESTION)
    given = payload.get("tool_input")
    if not isinstance(given, dict):
        return ""
    asked = given.get("questions")
    if isinstance(asked, list) and asked and isinstance(asked[0], dict):
        return _text(asked[0], "question", _LONGEST_QUESTION)
    named = ("command", "file_path", "notebook_path", "url")
    about = next((text for name in named if (text := _text(given, name, _LONGEST_QUESTION))), "")
    described = _text(given, "description", _LONGEST_QUESTION)
    return f"{about} ({described})" if about and described else about


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


def is_here(environment: Mapping[str, str]) -> bool:
    """Whether it is installed for this user, or was ever started."""
    import shutil

    return shutil.which(PROGRAM, path=environment.get("PATH")) is not None or os.path.isdir(_settings(environment))


def edits(environment: Mapping[str, str], entry: Mapping[str, str], hook: Sequence[str]) -> list[JsonFile]:
    """Its files with our entries: hooks that start `hook` with the event's name, and the MCP server of `entry`."""
    from onduty.client.edits import JsonFile
    from onduty.client.shell import line

    hooks: dict[tuple[str, ...], Any] = {("hooks", event): {"hooks": [_hook(line([*hook, event]))]} for event in EVENTS}
    headers = {"Authorization": f"Bearer {entry['token']}", "Onduty-Machine": entry["machine"]}
    server = {"type": "http", "url": entry["url"], "headers": headers}
    settings = os.path.join(_settings(environment), "settings.json")
    return [
        JsonFile(settings, items=hooks, is_ours=_is_our_hook),
        JsonFile(_servers(environment), members={("mcpServers", SERVER_NAME): server}),
    ]


def hook_command(environment: Mapping[str, str], event: str) -> str | None:
    """The line that it would run for this event, as its file says it now. None where we are not in it."""
    try:
        with open(os.path.join(_settings(environment), "settings.json"), encoding="utf-8") as file:
            items = json.load(file)["hooks"][event]
        return next(str(item["hooks"][0]["command"]) for item in items if _is_our_hook(item))
    except (OSError, ValueError, LookupError, TypeError, StopIteration):
        return None


def server_entry(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """The entry of our MCP server in its file: `url` and `token`. None where there is none."""
    try:
        with open(_servers(environment), encoding="utf-8") as file:
            entry = json.load(file)["mcpServers"][SERVER_NAME]
        bearer = str(entry.get("headers", {}).get("Authorization", ""))
        return {"url": str(entry["url"]), "token": bearer.partition(" ")[2]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def proof(event: str, session: str, folder: str) -> dict[str, Any]:
    """What it would send its hook, for the round trip that proves the connection."""
    more = {"SessionStart": {"source": "startup"}, "SessionEnd": {"reason": "other"}}.get(event, {})
    return {"session_id": session, "hook_event_name": event, "cwd": folder, **more}


PROOF = ("SessionStart", "SessionEnd")


def _settings(environment: Mapping[str, str]) -> str:
    return environment.get("CLAUDE_CONFIG_DIR") or os.path.join(_home(environment), ".claude")


def _servers(environment: Mapping[str, str]) -> str:
    return os.path.join(environment.get("CLAUDE_CONFIG_DIR") or _home(environment), ".claude.json")


def _home(environment: Mapping[str, str]) -> str:
    return environment.get("HOME") or os.path.expanduser("~")


def _hook(command: str) -> dict[str, Any]:
    return {"type": "command", "command": command, "timeout": _TIMEOUT}


def _is_our_hook(item: Any) -> bool:
    hooks = item.get("hooks") if isinstance(item, dict) else None
    if not isinstance(hooks, list) or len(hooks) != 1 or not isinstance(hooks[0], dict):
        return False
    command = str(hooks[0].get("command"))
    return "onduty-client" in command and f" hook {NAME} " in command


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
