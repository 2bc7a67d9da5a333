"""Codex: what its hooks mean, what it is answered, and which of its files name us.

Hooks: https://developers.openai.com/codex/hooks. Proven with 0.169.0.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onduty.client import place, processes
from onduty.client.agents import dialect
from onduty.client.agents.dialect import text as _text

if TYPE_CHECKING:
    from onduty.client.edits import Edit, JsonFile

NAME = "codex"
TITLE = "Codex"
ORIGIN = "codex"
PROGRAM = "codex"
SERVER_NAME = "onduty"
# Seconds; the most that it grants SessionEnd and Interrupt. 0 would mean 1.
_TIMEOUT = 3
_KINDS = {
    "SessionStart": "start",
    "UserPromptSubmit": "prompt",
    "PreToolUse": "tool_started",
    "PostToolUse": "tool_ended",
    # It names no tool use: the one announced last with the same input is meant.
    "PermissionRequest": "waiting",
    "SubagentStart": "subagent_started",
    "SubagentStop": "subagent_ended",
    "Stop": "turn_ended",
    # Broken off with Esc, or a question answered no.
    "Interrupt": "turn_ended",
    "PreCompact": "activity",
    "PostCompact": "activity",
    "SessionEnd": "end",
}
EVENTS = tuple(_KINDS)
# After `/clear` it ends the conversation that was left a minute later, from the same process.
ENDS_LATE = True
_LONGEST_LINE = 1024 * 1024
_OF_TOOLS = ("PreToolUse", "PostToolUse", "PermissionRequest")
# The tool by which it asks its person something; it ends with the answer.
_ASKS = "request_user_input"


def told(event: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event as it goes to the server, without id and time; `call` is for this machine alone. None: nothing."""
    session, kind = _text(payload, "session_id"), _KINDS.get(event)
    if not session or kind is None:
        return None
    found: dict[str, Any] = {"kind": kind, "session": session, "subagent": _text(payload, "agent_id")}
    if kind == "start":
        found |= _start(payload)
    elif kind == "end":
        # Whatever ended it, the reason is `other`.
        found["reason"] = "other"
    elif kind in ("subagent_started", "subagent_ended"):
        if not found["subagent"]:
            return None
        found["tool"] = _text(payload, "agent_type")
    elif event in _OF_TOOLS:
        found["tool"] = _text(payload, "tool_name")
        found["tool_id"] = _text(payload, "tool_use_id")
        if event == "PreToolUse" and found["tool"] == _ASKS:
            # What it waits for is an answer, not a permission.
            found["kind"], found["tool"] = "waiting", ""
        else:
            found["call"] = dialect.call(payload, _input(payload))
    return found


def _start(payload: Mapping[str, Any]) -> dict[str, str]:
    """What a start tells: of a fork the parent too, which its transcript names in the first line."""
    source = _text(payload, "source")
    if source != "fork":
        return {"reason": source}
    try:
        with open(_text(payload, "transcript_path", 4096), encoding="utf-8") as file:
            parent = _text(json.loads(file.readline(_LONGEST_LINE))["payload"], "forked_from_id")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        parent = ""
    return {"reason": source, "parent": parent}


def question(event: str, payload: Mapping[str, Any]) -> str:
    """What the person reads who is asked, as it came: it leaves this machine only where that person shares it."""
    return dialect.question(payload)


def answer(event: str, payload: Mapping[str, Any], reply: Mapping[str, Any]) -> str:
    """What Codex reads on stdout. `reply` has our `session`, and of a start what the server says is `on_duty`."""
    session = reply.get("session")
    if not session or event != "SessionStart":
        # Its calls of our tools name its session themselves.
        return ""
    from onduty.client.agents import wording

    return dialect.output(event, {"additionalContext": wording.context(str(session), reply.get("on_duty"))})


def folder(payload: Mapping[str, Any]) -> str:
    """The folder that it works in."""
    return _text(payload, "cwd", 4096)


def process() -> int | None:
    """Its process; 0 where that is a server for several of its sessions, which tells none from another."""
    pid = processes.nearest()
    return 0 if pid is not None and "app-server" in processes.arguments(pid) else pid


def is_here(environment: Mapping[str, str]) -> bool:
    """Whether it is installed for this user, or was ever started."""
    return _program(environment) is not None or os.path.isdir(_home(environment))


def edits(environment: Mapping[str, str], entry: Mapping[str, str], hook: Sequence[str]) -> list[Edit]:
    """Its files with our entries: hooks that start `hook` with the event's name, their trust, and the MCP server.

    The hooks stand in `hooks.json`: there nothing that others write moves them, and they are known by their place.
    """
    from onduty.client.agents import codex_trust
    from onduty.client.edits import JsonFile
    from onduty.client.shell import line
    from onduty.client.toml_edits import TomlFile

    hooks: dict[tuple[str, ...], Any] = {
        ("hooks", event): dialect.hook(line([*hook, event]), _TIMEOUT) for event in EVENTS
    }
    file = JsonFile(_hooks_file(environment), items=hooks, is_ours=_is_ours)
    headers = {"Authorization": f"Bearer {entry['token']}", "Onduty-Machine": entry["machine"]}
    server = {"url": entry["url"], "http_headers": headers}
    trust = codex_trust.tables(file.path, _to_be(file), _is_ours)
    tables: dict[tuple[str, ...], dict[str, Any]] = {("mcp_servers", SERVER_NAME): server, **trust}
    return [file, TomlFile(_config(environment), tables, is_private=True)]


def hook_command(environment: Mapping[str, str], event: str) -> str | None:
    """The line that it would run for this event, as its file says it now. None where we are not in it."""
    return dialect.command_in(_hooks_file(environment), NAME, event)


def distrust(environment: Mapping[str, str]) -> str:
    """What keeps it from running our hooks, '' where nothing does: it runs none, silently, that it does not trust."""
    from onduty.client.agents import codex_trust

    path, config = _hooks_file(environment), _config(environment)
    program = _program(environment)
    if program is not None:
        return codex_trust.wrong(
            program, environment, path, {event: hook_command(environment, event) for event in EVENTS}
        )
    if not codex_trust.is_recorded(path, config, _is_ours):
        return f"{config} does not trust the hooks of {path}"
    return ""


def server_entry(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """The entry of our MCP server in its file: `url` and `token`. None where there is none."""
    from onduty.client import json_text, toml_text

    try:
        with open(_config(environment), encoding="utf-8", newline="") as file:
            entry = toml_text.parsed(file.read()).found(("mcp_servers", SERVER_NAME))
        bearer = str(entry.get("http_headers", {}).get("Authorization", ""))
        return {"url": str(entry["url"]), "token": bearer.partition(" ")[2]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, json_text.Broken):
        return None


def proof(event: str, session: str, folder: str) -> dict[str, Any]:
    """What it would send its hook, for the round trip that proves the connection."""
    more = {"SessionStart": {"source": "startup"}, "SessionEnd": {"reason": "other"}}.get(event, {})
    return {"session_id": session, "hook_event_name": event, "cwd": folder, **more}


PROOF = ("SessionStart", "SessionEnd")


def _program(environment: Mapping[str, str]) -> str | None:
    import shutil

    return shutil.which(PROGRAM, path=environment.get("PATH"))


def _home(environment: Mapping[str, str]) -> str:
    chosen = environment.get("CODEX_HOME")
    # It follows links in the one, and not in the other; its hooks are known by the file's path.
    return os.path.realpath(chosen) if chosen else os.path.join(place.home(environment), ".codex")


def _hooks_file(environment: Mapping[str, str]) -> str:
    return os.path.join(_home(environment), "hooks.json")


def _config(environment: Mapping[str, str]) -> str:
    return os.path.join(_home(environment), "config.toml")


def _to_be(file: JsonFile) -> str:
    """The text of the hooks' file with our entries in it. Unreadable."""
    from onduty.client import changing

    return file.put(changing.text_of(file.path), {})


def _is_ours(item: Any) -> bool:
    return dialect.is_hook_of(NAME, item)


def _input(payload: Mapping[str, Any]) -> object:
    """What the tool is given. Only the question has the reason for it, as `description`."""
    given = payload.get("tool_input")
    return {key: value for key, value in given.items() if key != "description"} if isinstance(given, dict) else given
