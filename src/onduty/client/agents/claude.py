"""Claude Code: what its hooks mean, what it is answered, and which of its files name us.

Hooks: https://code.claude.com/docs/en/hooks. Proven with 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onduty.client import place, processes
from onduty.client.agents import dialect
from onduty.client.agents.dialect import output as _output
from onduty.client.agents.dialect import text as _text

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
        found["call"] = dialect.call(payload, payload.get("tool_input"))
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
    for at, name in enumerate(arguments[:-1]):
        if name in ("--resume", "-r") and _ID.fullmatch(arguments[at + 1]):
            return {"parent": arguments[at + 1]}
    return {}


def question(event: str, payload: Mapping[str, Any]) -> str:
    """What the person reads who is asked, as it came: it leaves this machine only where that person shares it."""
    if event == "Notification":
        return _text(payload, "message", dialect.LONGEST_QUESTION)
    return dialect.question(payload)


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

    hooks: dict[tuple[str, ...], Any] = {
        ("hooks", event): dialect.hook(line([*hook, event]), _TIMEOUT) for event in EVENTS
    }
    headers = {"Authorization": f"Bearer {entry['token']}", "Onduty-Machine": entry["machine"]}
    server = {"type": "http", "url": entry["url"], "headers": headers}
    settings = os.path.join(_settings(environment), "settings.json")
    return [
        JsonFile(settings, items=hooks, is_ours=lambda item: dialect.is_hook_of(NAME, item)),
        JsonFile(_servers(environment), members={("mcpServers", SERVER_NAME): server}, is_private=True),
    ]


def hook_command(environment: Mapping[str, str], event: str) -> str | None:
    """The line that it would run for this event, as its file says it now. None where we are not in it."""
    return dialect.command_in(os.path.join(_settings(environment), "settings.json"), NAME, event)


def distrust(environment: Mapping[str, str]) -> str:
    """What keeps it from running our hooks, '' where nothing is known to."""
    path = os.path.join(_settings(environment), "settings.json")
    try:
        with open(path, encoding="utf-8") as file:
            is_off = json.load(file).get("disableAllHooks") is True
    except (OSError, ValueError, AttributeError):
        return ""
    return f"{path} switches all hooks off: take disableAllHooks out" if is_off else ""


def server_entry(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """The entry of our MCP server in its file: `url` and `token`. None where there is none."""
    try:
        return _entry(_kept(environment)["mcpServers"][SERVER_NAME])
    except (LookupError, TypeError, AttributeError):
        return None


def other_entries(environment: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Every other entry of its file that holds a token of ours, with where it stands: another name, or one folder."""
    kept = _kept(environment)
    projects = kept.get("projects")
    places: list[tuple[str, Any]] = [("", kept)]
    places += [(f" for {path}", each) for path, each in projects.items()] if isinstance(projects, dict) else []
    found = []
    for where, holder in places:
        servers = holder.get("mcpServers") if isinstance(holder, dict) else None
        for name, server in servers.items() if isinstance(servers, dict) else ():
            try:
                entry = _entry(server)
            except (LookupError, TypeError, AttributeError):
                continue
            if entry["token"].startswith("ody_") and (where or name != SERVER_NAME):
                found.append((f"{name}{where}", entry))
    return found


def _kept(environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        with open(_servers(environment), encoding="utf-8") as file:
            kept = json.load(file)
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _entry(server: Mapping[str, Any]) -> dict[str, Any]:
    bearer = str(server.get("headers", {}).get("Authorization", ""))
    return {"url": str(server["url"]), "token": bearer.partition(" ")[2]}


def proof(event: str, session: str, folder: str) -> dict[str, Any]:
    """What it would send its hook, for the round trip that proves the connection."""
    more = {"SessionStart": {"source": "startup"}, "SessionEnd": {"reason": "other"}}.get(event, {})
    return {"session_id": session, "hook_event_name": event, "cwd": folder, **more}


PROOF = ("SessionStart", "SessionEnd")


def _settings(environment: Mapping[str, str]) -> str:
    return environment.get("CLAUDE_CONFIG_DIR") or os.path.join(place.home(environment), ".claude")


def _servers(environment: Mapping[str, str]) -> str:
    return os.path.join(environment.get("CLAUDE_CONFIG_DIR") or place.home(environment), ".claude.json")


def _is_ours(payload: Mapping[str, Any]) -> bool:
    return _text(payload, "tool_name").startswith(f"mcp__{SERVER_NAME}__")
