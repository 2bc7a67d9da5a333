"""What Codex's hooks mean: payloads as its real program sent them, and what is told of them; its trust; its process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from onduty.client import edits
from onduty.client.agents import codex, codex_trust
from tests.client.machine import Machine, Receiver

RECORDED = Path(__file__).parent / "codex"
SESSION = "01a20cf9-e72e-704b-bafb-3c62408f5da2"
MEANS: dict[str, dict[str, str]] = {
    "SessionStart-startup": {"kind": "start", "reason": "startup"},
    "SessionStart-resume": {"kind": "start", "reason": "resume"},
    "SessionStart-clear": {"kind": "start", "reason": "clear"},
    "SessionStart-compact": {"kind": "start", "reason": "compact"},
    "SessionStart-fork": {"kind": "start", "reason": "fork", "parent": ""},
    "UserPromptSubmit": {"kind": "prompt"},
    "UserPromptSubmit-subagent": {"kind": "prompt"},
    "PreToolUse": {"kind": "tool_started", "tool": "Bash"},
    "PreToolUse-subagent": {"kind": "tool_started", "tool": "Bash"},
    "PreToolUse-question": {"kind": "waiting", "tool": ""},
    "PostToolUse": {"kind": "tool_ended", "tool": "Bash"},
    "PostToolUse-subagent": {"kind": "tool_ended", "tool": "Bash"},
    "PostToolUse-question": {"kind": "tool_ended", "tool": "request_user_input"},
    "PermissionRequest": {"kind": "waiting", "tool": "Bash", "tool_id": ""},
    "SubagentStart": {"kind": "subagent_started", "tool": "default"},
    "SubagentStop": {"kind": "subagent_ended", "tool": "default"},
    "Stop": {"kind": "turn_ended"},
    "Interrupt": {"kind": "turn_ended"},
    "PreCompact": {"kind": "activity"},
    "PostCompact": {"kind": "activity"},
    "SessionEnd-other": {"kind": "end", "reason": "other"},
}
VERSIONS = [folder.name for folder in sorted(RECORDED.iterdir())]


class CodexMachine(Machine):
    client = "codex"


def recorded() -> list[Any]:
    files = sorted(RECORDED.rglob("*.json"))
    return [pytest.param(file, id=f"{file.parent.name} {file.stem}") for file in files]


def payload(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


@pytest.mark.parametrize("file", recorded())
def test_what_each_payload_means(file: Path) -> None:
    sent = payload(file)
    told = codex.told(str(sent["hook_event_name"]), sent)
    assert told is not None
    means = {"session": sent["session_id"], "subagent": sent.get("agent_id", ""), **MEANS[file.stem]}
    if "tool_use_id" in sent:
        means["tool_id"] = sent["tool_use_id"]
    assert {key: value for key, value in told.items() if key != "call"} == means


@pytest.mark.parametrize("file", recorded())
def test_nothing_else_of_a_payload_is_told(file: Path) -> None:
    sent = payload(file)
    told = json.dumps(codex.told(str(sent["hook_event_name"]), sent))
    for name in ("prompt", "tool_input", "tool_response", "last_assistant_message", "transcript_path", "cwd", "model"):
        value = sent.get(name)
        for word in value.values() if isinstance(value, dict) else [value]:
            assert not (isinstance(word, str) and len(word) > 4 and word in told), name


@pytest.mark.parametrize("version", VERSIONS)
def test_every_event_that_it_is_asked_for_is_recorded(version: str) -> None:
    assert {file.stem.partition("-")[0] for file in (RECORDED / version).iterdir()} == set(codex.EVENTS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_question_is_that_of_the_tool_use_with_the_same_input(version: str) -> None:
    """Only the question has the reason for it, as a description."""
    asked = payload(RECORDED / version / "PermissionRequest.json")
    assert "description" in asked["tool_input"]
    given = {"command": asked["tool_input"]["command"]}
    used = {**payload(RECORDED / version / "PreToolUse.json"), "tool_input": given}
    question, use = codex.told("PermissionRequest", asked), codex.told("PreToolUse", used)
    other = codex.told("PreToolUse", {**used, "tool_input": {"command": "ls"}})
    assert question is not None
    assert use is not None
    assert other is not None
    assert question["call"] == use["call"] != other["call"]


def test_a_fork_tells_its_parent(tmp_path: Path) -> None:
    """No payload of Codex names it; the first line of the transcript does."""
    sent = payload(RECORDED / VERSIONS[-1] / "SessionStart-fork.json")
    transcript = tmp_path / "rollout.jsonl"
    transcript.write_text(json.dumps({"type": "session_meta", "payload": {"forked_from_id": SESSION}}) + "\n{}\n")
    told = codex.told("SessionStart", {**sent, "transcript_path": str(transcript)})
    assert told is not None
    assert (told["reason"], told["parent"]) == ("fork", SESSION)


def test_a_question_has_the_words_that_the_person_reads() -> None:
    asked, chosen = (
        payload(RECORDED / VERSIONS[-1] / f"{n}.json") for n in ("PermissionRequest", "PreToolUse-question")
    )
    assert codex.question("PermissionRequest", asked) == "touch made.txt (May I?)"
    assert codex.question("PreToolUse", chosen) == "Which one?"


@pytest.mark.parametrize("sent", [{}, {"session_id": 1}, {"session_id": ""}, {"session_id": "s", "agent_id": 3}])
def test_what_is_no_payload_tells_nothing(sent: dict[str, Any]) -> None:
    assert codex.told("SubagentStart", sent) is None
    assert codex.told("NoSuchEvent", {**sent, "session_id": "s"}) is None


def test_only_a_start_is_answered() -> None:
    for event in codex.EVENTS:
        said = codex.answer(event, {"tool_name": "mcp__onduty__whoami", "tool_input": {}}, {"session": SESSION})
        assert bool(said) is (event == "SessionStart")
    assert codex.answer("SessionStart", {}, {"session": ""}) == ""


def test_a_hook_is_known_by_its_words() -> None:
    """As Codex 0.169.0 answered to `hooks/list` for this hook."""
    hook = {"type": "command", "command": "/tmp/codexprobe/probe.sh SessionStart", "timeout": 3}
    known = "sha256:c8803132780b1ac2301749044a93cc94ac417bfffbcd185ea5dc952725ef2376"
    assert codex_trust.digest("SessionStart", hook) == known
    assert codex_trust.digest("SessionEnd", hook) != known


def test_hooks_are_trusted_at_their_place_beside_those_of_others(tmp_path: Path) -> None:
    theirs = {"hooks": [{"type": "command", "command": "true"}]}
    (tmp_path / "hooks.json").write_text(json.dumps({"hooks": {"Stop": [theirs, theirs]}}))
    _, config = _edits(tmp_path)
    states = tomllib_of(config.put("", {}))["hooks"]["state"]
    assert f"{tmp_path}/hooks.json:stop:2:0" in states
    assert f"{tmp_path}/hooks.json:pre_tool_use:0:0" in states
    assert len(states) == len(codex.EVENTS)


def test_without_the_program_its_configuration_says_whether_it_trusts_our_hooks(tmp_path: Path) -> None:
    environment = {"CODEX_HOME": str(tmp_path), "PATH": ""}
    hooks, config = _edits(tmp_path)
    (tmp_path / "hooks.json").write_text(hooks.put("", {}))
    assert "does not trust the hooks" in codex.distrust(environment)
    (tmp_path / "config.toml").write_text(config.put("# mine\n", {}))
    assert codex.distrust(environment) == ""
    assert codex.server_entry(environment) == {"url": "http://127.0.0.1:1/mcp", "token": "ody_x"}


def test_a_broken_file_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "hooks.json").write_text("{\n]")
    with pytest.raises(edits.Unreadable, match=r"hooks\.json:2: it is not valid JSON"):
        _edits(tmp_path)
    (tmp_path / "hooks.json").unlink()
    _, config = _edits(tmp_path)
    with pytest.raises(edits.Unreadable, match=r"config\.toml:3: it is not valid TOML"):
        config.put('a = 1\n\nb = "\n', {})


def test_the_end_of_a_conversation_that_its_process_has_left_ends_nothing(tmp_path: Path) -> None:
    """Codex ends a conversation a minute after `/clear`, as if the agent had gone: the process runs another by then."""
    with Receiver() as receiver:
        machine = CodexMachine(tmp_path, receiver.origin)
        for event, session in (("SessionStart", "a"), ("SessionStart", "b"), ("SessionEnd", "a"), ("SessionEnd", "b")):
            machine.hook(event, session_id=session, source="clear", reason="other")
        assert [(event["kind"], event["session"]) for event in receiver.events] == [
            ("start", "a"),
            ("start", "b"),
            ("end", "b"),
        ]


@pytest.mark.parametrize(("word", "is_known"), [("exec", True), ("app-server", False)])
def test_a_process_that_several_agents_share_tells_none_from_another(word: str, is_known: bool) -> None:
    inner = "from onduty.client.agents import codex; print(bool(codex.process()))"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    done = subprocess.run([sys.executable, "-c", outer, word], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(is_known)


def _edits(folder: Path) -> list[edits.Edit]:
    entry = {"url": "http://127.0.0.1:1/mcp", "token": "ody_x", "machine": "box"}
    return codex.edits({"CODEX_HOME": str(folder)}, entry, ["python3", "onduty-client/onduty.py", "hook", "codex"])


def tomllib_of(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)
