"""Which hooks Codex trusts: it keeps a digest of each in its configuration, and runs no other.

The digest is over the hook's own words, its key tells its place. Both as codex-rs/hooks computes them
(`command_hook_hash`, `hook_key`), and as the program itself answers to `hooks/list` of its app-server.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any

from onduty.client import json_text, toml_text

_SECONDS = 5.0
_TRUSTED = ("trusted", "managed")


def tables(path: str, text: str, is_ours: Callable[[Any], bool]) -> dict[tuple[str, ...], dict[str, str]]:
    """The tables of its configuration that trust our entries of the hooks' file with this text."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for event, groups in json.loads(text)["hooks"].items():
        for index, group in enumerate(groups if isinstance(groups, list) else ()):
            if is_ours(group):
                key = f"{path}:{_label(event)}:{index}:0"
                found["hooks", "state", key] = {"trusted_hash": digest(event, group["hooks"][0])}
    return found


def digest(event: str, hook: Mapping[str, Any]) -> str:
    """What it knows a hook without a matcher by."""
    words = {"event_name": _label(event), "hooks": [{**hook, "async": False}]}
    text = json.dumps(words, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def is_recorded(path: str, config: str, is_ours: Callable[[Any], bool]) -> bool:
    """Whether the configuration trusts our entries of the hooks' file as they stand there."""
    try:
        with open(path, encoding="utf-8") as file:
            wanted = tables(path, file.read(), is_ours)
        with open(config, encoding="utf-8", newline="") as file:
            kept = toml_text.parsed(file.read())
    except (OSError, ValueError, LookupError, TypeError, AttributeError, json_text.Broken):
        return False
    return all(kept.found(way) == table for way, table in wanted.items())


def wrong(program: str, environment: Mapping[str, str], path: str, commands: Mapping[str, str | None]) -> str:
    """What keeps the program from running these commands of `path`, by its own word; '' where nothing does."""
    try:
        listed = _listed(program, environment)
    except (OSError, ValueError, LookupError, TypeError) as error:
        return f"codex does not tell which hooks it trusts ({error}): bring it up to date"
    ours = [hook for hook in listed if hook.get("sourcePath") == path]
    words = {hook.get("command"): hook for hook in ours}
    missing = [event for event, command in commands.items() if command not in words]
    if missing:
        return f"codex does not run hooks of {path} ({', '.join(missing)}): see its features, and /hooks in it"
    mine = [words[command] for command in commands.values()]
    if not all(hook.get("enabled") for hook in mine):
        return f"hooks of {path} are switched off in codex: switch them on, by /hooks in it"
    if not all(hook.get("trustStatus") in _TRUSTED for hook in mine):
        return (
            f"codex does not trust the hooks of {path}, and runs none of them: start it and trust them, by /hooks in it"
        )
    return ""


def _listed(program: str, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Its own list of the hooks that it knows here. OSError, ValueError, LookupError, TypeError where it has none."""
    with subprocess.Popen(
        # Its plugins have hooks of their own, and would be fetched from their makers now.
        [program, "app-server", "-c", "features.plugins=false"],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    ) as running:
        late = threading.Timer(_SECONDS, running.kill)
        late.start()
        try:
            answer = _answer(running)
            running.terminate()
            running.wait()
        finally:
            running.kill()
            late.cancel()
    if "error" in answer:
        raise ValueError(answer["error"]["message"])
    return [hook for place in answer["result"]["data"] for hook in place["hooks"]]


def _answer(running: subprocess.Popen[str]) -> dict[str, Any]:
    """Its answer to `hooks/list`. ValueError where it leaves without one."""
    asked = (
        {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "onduty", "version": "1"}}},
        {"method": "initialized"},
        {"id": 2, "method": "hooks/list", "params": {"cwds": [os.getcwd()]}},
    )
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write("".join(json.dumps(each) + "\n" for each in asked))
    running.stdin.flush()
    for line in running.stdout:
        message = json.loads(line)
        if isinstance(message, dict) and message.get("id") == asked[-1]["id"]:
            return message
    raise ValueError("it leaves without an answer")


def _label(event: str) -> str:
    """PreToolUse → pre_tool_use"""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
