"""The hook program as a client runs it: it never breaks or delays the agent, and nothing that it heard is lost."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from onduty.client import place, spool
from onduty.client.delivery import deliver_spool
from onduty.client.state import State, now_ms
from tests.client.machine import SESSION, Batch, Machine, Receiver, accepted

# A second for the hook, and what a busy machine takes to start it.
AT_MOST = 2.0


def test_a_start_is_told_and_answered(tmp_path: Path) -> None:
    with Receiver() as receiver:
        machine = Machine(tmp_path, receiver.origin)
        (machine.folder / ".git").mkdir()
        (machine.folder / ".git" / "HEAD").write_text("ref: refs/heads/fix/cart\n")
        said, _ = machine.hook("SessionStart", source="startup")
    [batch] = receiver.batches
    [event] = batch.pop("events")
    assert batch.pop("sent_at").endswith("Z")
    assert batch == {
        "project_id": "p", "machine_id": "box", "caller_role": "qa", "caller_origin": "claude-code", "tell": True
    }  # fmt: skip
    assert (event["kind"], event["reason"], event["session"]) == ("start", "startup", "s1")
    assert (event["folder"], event["branch"]) == ("shop", "fix/cart")
    assert event["process"]["pid"] == os.getpid()
    assert receiver.heads[0]["Authorization"] == "Bearer ody_x"
    assert SESSION in json.loads(said)["hookSpecificOutput"]["additionalContext"]


def test_in_private_neither_folder_nor_branch_is_told(tmp_path: Path) -> None:
    with Receiver() as receiver:
        Machine(tmp_path, receiver.origin, private=True).hook("SessionStart", source="startup")
    assert not {"folder", "branch"} & set(receiver.events[0])


def test_a_repository_names_project_and_role_and_nothing_else(tmp_path: Path) -> None:
    with Receiver() as receiver:
        machine = Machine(tmp_path, receiver.origin)
        named = {"project": "p2", "role": "backend", "origin": "http://127.0.0.1:9", "token": "ody_evil"}
        (machine.folder / ".onduty.json").write_text(json.dumps(named))
        machine.hook("Stop")
    assert (receiver.batches[0]["project_id"], receiver.batches[0]["caller_role"]) == ("p2", "backend")
    assert receiver.heads[0]["Authorization"] == "Bearer ody_x"


def test_our_tool_gets_its_session(tmp_path: Path) -> None:
    with Receiver() as receiver:
        machine = Machine(tmp_path, receiver.origin)
        said, _ = machine.hook("PreToolUse", tool_name="mcp__onduty__whoami", tool_input={}, tool_use_id="t1")
        assert json.loads(said)["hookSpecificOutput"]["updatedInput"] == {"session": SESSION}
        assert machine.hook("PreToolUse", tool_name="Bash", tool_input={}, tool_use_id="t2")[0] == ""


def test_our_tool_gets_its_session_though_the_server_lets_the_hook_wait(tmp_path: Path) -> None:
    """By what the server said of it before: else the call would be of nobody, and a row more."""
    status = 200
    with Receiver(lambda batch: (status, accepted(batch)[1])) as receiver:
        machine = Machine(tmp_path, receiver.origin)
        ours = {"tool_name": "mcp__onduty__whoami", "tool_input": {}, "tool_use_id": "t1"}
        machine.hook("SessionStart", source="startup")
        status = 503
        said, _ = machine.hook("PreToolUse", **ours)
        assert json.loads(said)["hookSpecificOutput"]["updatedInput"] == {"session": SESSION}
        assert machine.hook("PreToolUse", **ours, session_id="another")[0] == ""
    assert len(machine.waiting()) == 2


def test_a_call_of_our_tools_is_told_even_where_the_server_let_us_wait(tmp_path: Path) -> None:
    """What waits goes with it, the start first: so that the call finds its agent."""
    with Receiver() as receiver:
        machine = Machine(tmp_path, receiver.origin)
        with State(machine.root) as state:
            state.let_wait(receiver.origin)
        machine.hook("SessionStart", source="startup")
        machine.hook("PreToolUse", tool_name="Bash", tool_input={}, tool_use_id="t1")
        assert receiver.batches == []
        said, _ = machine.hook("PreToolUse", tool_name="mcp__onduty__whoami", tool_input={}, tool_use_id="t2")
    assert json.loads(said)["hookSpecificOutput"]["updatedInput"] == {"session": SESSION}
    assert [event["kind"] for event in receiver.events] == ["start", "tool_started", "tool_started"]


def test_a_question_names_the_tool_use_it_asks_about(tmp_path: Path) -> None:
    with Receiver() as receiver:
        machine = Machine(tmp_path, receiver.origin)
        for number in (1, 2):
            given = {"command": f"rm {number}"}
            machine.hook("PreToolUse", tool_name="Bash", tool_input=given, tool_use_id=f"t{number}")
        machine.hook("PermissionRequest", tool_name="Bash", tool_input={"command": "rm 1"})
    assert receiver.events[-1]["tool_id"] == "t1"
    assert "rm" not in Path(place.state_file(machine.root)).read_text()


@pytest.mark.parametrize("words", [{}, {"share_questions": False}, {"share_questions": True, "private": True}])
def test_a_question_s_own_words_stay_here_unless_they_are_shared(tmp_path: Path, words: dict[str, bool]) -> None:
    with Receiver() as receiver:
        machine = Machine(tmp_path, receiver.origin, **words)
        for event, payload in _questions(machine):
            machine.hook(event, **payload)
    told = json.dumps(receiver.batches)
    assert [event["kind"] for event in receiver.events] == ["waiting"] * 4
    assert not [word for word in ("question", "rm", "old file", "Which", "Bob", "src/") if word in told]


def test_a_shared_question_is_one_line_with_secrets_masked_and_paths_short(tmp_path: Path) -> None:
    with Receiver() as receiver:
        machine = Machine(tmp_path, receiver.origin, share_questions=True)
        for event, payload in _questions(machine):
            machine.hook(event, **payload)
    assert [(event.get("tool"), event["question"]) for event in receiver.events] == [
        ("Bash", "rm src/a TOKEN=… (removes an old file)"),
        ("Edit", "src/b.py"),
        (None, "Which of the two?"),
        (None, "Bob asks"),
    ]


def test_what_waits_in_the_spool_is_masked_already(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "http://127.0.0.1:9", share_questions=True)
    machine.hook(*_questions(machine)[0][:1], **_questions(machine)[0][1])
    [event] = machine.waiting()
    assert event["question"] == "rm src/a TOKEN=… (removes an old file)"
    for file in Path(machine.root).rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes()


def _questions(machine: Machine) -> list[tuple[str, dict[str, Any]]]:
    command = f"rm {machine.folder}/src/a\nTOKEN=hunter2"
    asked = {"questions": [{"question": "Which of the\ntwo?", "options": [{"label": "rm"}]}]}
    edit = {"file_path": f"{machine.folder}/src/b.py", "old_string": "rm", "new_string": "Bob"}
    return [
        (
            "PermissionRequest",
            {"tool_name": "Bash", "tool_input": {"command": command, "description": "removes an old file"}},
        ),
        ("PermissionRequest", {"tool_name": "Edit", "tool_input": edit}),
        ("PermissionRequest", {"tool_name": "AskUserQuestion", "tool_input": asked}),
        ("Notification", {"notification_type": "elicitation_dialog", "message": "Bob asks"}),
    ]


def test_what_no_server_took_goes_with_the_next_event_in_order(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    machine = Machine(tmp_path, f"http://127.0.0.1:{port}")
    for event in ("UserPromptSubmit", "Stop"):
        assert machine.hook(event)[0] == ""
    waits = machine.waiting()
    assert [event["kind"] for event in waits] == ["prompt", "turn_ended"]
    [file] = Path(place.spool_folder(machine.root)).iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with Receiver() as receiver:
        kept = json.loads(Path(place.agents_file(machine.root)).read_text())
        # The server comes back where it was: here by another port, for the first may be taken by now.
        _move(machine, kept, receiver.origin)
        machine.hook("SessionEnd", reason="other")
    assert [event["kind"] for event in receiver.batches[0]["events"]] == ["prompt", "turn_ended", "end"]
    assert receiver.batches[0]["events"][:2] == waits
    assert receiver.batches[0]["sent_at"] > waits[1]["at"] > waits[0]["at"]
    assert machine.waiting() == []


def _move(machine: Machine, kept: dict[str, dict[str, str]], origin: str) -> None:
    [(heading, _)] = spool.headings(machine.root)
    events = spool.waiting(machine.root, heading)
    kept["claude"]["origin"] = origin
    Path(place.agents_file(machine.root)).write_text(json.dumps(kept))
    spool.remove(machine.root, heading, [event["id"] for event in events])
    for event in events:
        spool.add(machine.root, {**heading, "origin": origin}, event)


def test_one_that_is_refused_does_not_block_the_rest(tmp_path: Path) -> None:
    def answer(batch: Batch) -> tuple[int, object]:
        wrong = any(event.get("tool") == "poison" for event in batch["events"])
        return (400, {"error": "no"}) if wrong else accepted(batch)

    with Receiver(answer) as receiver:
        machine = Machine(tmp_path, receiver.origin)
        heading = {"origin": receiver.origin, "client": "claude-code"}
        for number in range(9):
            tool = "poison" if number in (2, 5) else "Bash"
            spool.add(machine.root, heading, {"id": str(number), "kind": "tool_started", "tool": tool})
        assert deliver_spool(machine.root, heading, "ody_x") == 9
        assert machine.waiting() == []
    taken = {event["id"] for batch in receiver.batches for event in batch["events"] if accepted_of(batch)}
    assert taken == set("0134678")


def accepted_of(batch: Batch) -> bool:
    return all(event.get("tool") != "poison" for event in batch["events"])


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, 302])
def test_what_is_not_taken_as_a_whole_waits(tmp_path: Path, status: int) -> None:
    with Receiver(lambda batch: (status, {"error": "no"})) as receiver:
        machine = Machine(tmp_path, receiver.origin)
        assert machine.hook("Stop")[0] == ""
        assert len(machine.waiting()) == 1
    assert len(receiver.batches) == 1


def test_a_server_that_never_answers_is_left_alone_for_a_while(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        machine = Machine(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert machine.hook("UserPromptSubmit")[1] < AT_MOST
        silent.settimeout(1)
        silent.accept()[0].close()
        for _ in range(3):
            machine.hook("Stop")
        silent.settimeout(0.1)
        with pytest.raises(TimeoutError):
            silent.accept()
    assert len(machine.waiting()) == 4


def test_a_name_that_cannot_be_looked_up_costs_a_second_at_most(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "http://onduty.invalid")
    assert machine.hook("Stop")[1] < AT_MOST
    assert len(machine.waiting()) == 1


@pytest.mark.parametrize("stdin", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"session_id": 3}', b"[" * 100_000])
def test_what_is_no_payload_breaks_nothing(tmp_path: Path, stdin: bytes) -> None:
    machine = Machine(tmp_path, "http://127.0.0.1:9")
    assert machine.run("Stop", stdin)[0] == ""
    assert machine.waiting() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"claude": 3}', '{"claude": {}}', '{"claude": {"origin": "x"}}'])
def test_a_broken_connection_breaks_nothing(tmp_path: Path, text: str) -> None:
    machine = Machine(tmp_path, "http://127.0.0.1:9")
    Path(place.agents_file(machine.root)).write_text(text)
    assert machine.hook("Stop")[0] == ""


def test_a_client_that_is_unknown_or_keeps_stdin_open_waits_for_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "http://127.0.0.1:9")
    command = [*machine.command("Stop")[:-2], "../../evil", "Stop"]
    assert subprocess.run(command, input=b"{}", env=machine.environment, timeout=10).returncode == 0
    with subprocess.Popen(machine.command("Stop"), stdin=subprocess.PIPE, env=machine.environment) as open_ended:
        assert open_ended.wait(AT_MOST) == 0


def test_stamps_grow_whatever_the_clock_does_and_however_many_take_them(tmp_path: Path) -> None:
    root = str(tmp_path)
    ahead = now_ms() + 3_600_000
    Path(place.state_file(root)).write_text(json.dumps({"stamp": ahead}))

    def take(_: int) -> list[int]:
        found = []
        for _ in range(20):
            with State(root) as state:
                found.append(state.stamp())
        return found

    with ThreadPoolExecutor(4) as pool:
        stamps = [stamp for part in pool.map(take, range(4)) for stamp in part]
    assert sorted(stamps) == list(range(ahead + 1, ahead + 81))


def test_the_spool_is_bounded_and_the_oldest_give_way(tmp_path: Path) -> None:
    root, heading = str(tmp_path), {"origin": "http://a"}
    for number in range(60):
        spool.add(root, heading, {"id": str(number), "pad": "x" * 50_000})
    [(_, count)] = spool.headings(root)
    assert 15 < count < 60
    assert spool.waiting(root, heading)[-1]["id"] == "59"
    assert sum(file.stat().st_size for file in Path(place.spool_folder(root)).iterdir()) < 3_000_000
