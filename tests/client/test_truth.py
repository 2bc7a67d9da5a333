"""What is shown of an agent that leaves, crashes, sleeps or is cut off, and when, and why: by the real hook program.

Each story is told once by a clock that is right and by two that are wrong by more than a day: nothing else may differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onduty.clock import parse_rfc3339
from tests.client.story import HOUR, MIN, Story, story

BASH: dict[str, Any] = {"tool_name": "Bash", "tool_input": {"command": "make"}, "tool_use_id": "t1"}
# What the hook program itself takes on a busy machine, in which the server's clock stands.
SLACK = 5_000


@pytest.fixture(params=[0, 28 * HOUR, -28 * HOUR], ids=["right clock", "clock ahead", "clock behind"])
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Story]:
    """An agent that has just started."""
    with story(tmp_path, request.param) as told:
        told.hook("SessionStart", source="startup")
        yield told


def last_life(agent: Story) -> int:
    return parse_rfc3339(agent.row()["last_activity_at"])


def test_it_exits(agent: Story) -> None:
    """Its end was reported: it is ended at once, for the reason that it gave, and stays so."""
    agent.hook("UserPromptSubmit")
    agent.hook("SessionEnd", reason="prompt_input_exit")
    row = agent.row()
    assert (row["state"], row["because"]["signal"], row["end_reason"]) == ("ended", "end", "exit")
    assert agent.after(0, 60, 600) == ["ended end"] * 3


def test_it_crashes_in_a_tool(agent: Story) -> None:
    """No end was reported and a tool may run long: working for 30 minutes of silence, quiet until 2 h, then lost."""
    agent.hook("UserPromptSubmit")
    agent.hook("PreToolUse", **BASH)
    assert agent.after(0, 29, 31, 119, 121) == ["working tool", "working tool", "quiet tool", "quiet tool", "lost tool"]
    because = agent.row()["because"]
    assert (because["tool"], because["silent_since"]) == ("Bash", agent.row()["last_activity_at"])


def test_it_crashes_while_the_model_thinks(agent: Story) -> None:
    """An open turn says something every few minutes: working for 5 minutes of silence, quiet until 30, then lost."""
    agent.hook("UserPromptSubmit")
    assert agent.after(0, 4, 6, 29, 31) == ["working turn", "working turn", "quiet turn", "quiet turn", "lost turn"]


def test_its_terminal_is_killed_while_it_idles(agent: Story) -> None:
    """Where its last hook still runs it has ended; where that was cut off it is idle for 2 h, then lost."""
    agent.hook("UserPromptSubmit")
    agent.hook("Stop")
    assert agent.after(0, 119, 121) == ["idle none", "idle none", "lost none"]
    agent.hook("SessionEnd", reason="other")
    row = agent.row()
    assert (row["state"], row["end_reason"]) == ("ended", "other")


def test_its_question_is_asked_and_nobody_comes(agent: Story) -> None:
    """It waits for a person, and people sleep: waiting for 12 h, then lost."""
    agent.hook("PreToolUse", **BASH)
    agent.hook("PermissionRequest", **{**BASH, "tool_use_id": None})
    assert agent.after(0, 11 * 60, 12 * 60 + 1) == ["waiting wait", "waiting wait", "lost wait"]
    agent.hook("PostToolUse", **BASH)
    assert agent.after(0) == ["working turn"]


def test_its_laptop_sleeps(agent: Story) -> None:
    """As a crash, as long as it sleeps; once awake it is the same row at work, and what slept in a hook has its age."""
    agent.hook("UserPromptSubmit")
    agent.hook("PreToolUse", **BASH)
    # A hook that the sleep caught before its server answered: the event waits in the spool.
    agent.down()
    agent.hook("PostToolUse", **BASH)
    agent.up()
    before = last_life(agent)
    assert agent.after(31, 8 * 60) == ["quiet tool", "lost tool"]
    agent.hook("PreToolUse", **{**BASH, "tool_use_id": "t2"})
    [row] = agent.rows()
    assert (row["state"], row["because"]["tool_since"]) == ("working", row["last_activity_at"])
    assert last_life(agent) - before > 7 * HOUR


def test_its_server_starts_again(agent: Story) -> None:
    """The server kept what it was told: the same row in the same state, and the time between is no silence."""
    agent.hook("UserPromptSubmit")
    agent.hook("PreToolUse", **BASH)
    before = agent.row()
    agent.pass_time(MIN)
    agent.down()
    agent.pass_time(10 * HOUR)
    agent.up()
    row = agent.row()
    assert {**row, "connected": False} == before
    assert agent.after(28, 30) == ["working tool", "quiet tool"]
    agent.hook("PostToolUse", **BASH)
    assert agent.row()["session_id"] == before["session_id"]
    assert agent.after(0) == ["working turn"]


def test_its_server_is_down_for_an_hour(agent: Story) -> None:
    """What happened meanwhile waits on the machine and comes with the next event, at the times at which it happened."""
    agent.hook("UserPromptSubmit")
    agent.down()
    agent.pass_time(10 * MIN)
    agent.hook("PreToolUse", **BASH)
    agent.pass_time(20 * MIN)
    agent.hook("PostToolUse", **BASH)
    agent.hook("Stop")
    happened = agent.now
    agent.pass_time(30 * MIN)
    agent.up()
    assert agent.after(0) == ["working turn"]
    agent.hook("Notification", notification_type="idle_prompt")
    row = agent.row()
    assert row["state"] == "idle"
    assert last_life(agent) >= agent.now - SLACK
    assert agent.machine.waiting() == []
    agent.down()
    agent.pass_time(MIN)
    agent.hook("SessionEnd", reason="other")
    ended = agent.now
    agent.pass_time(59 * MIN)
    agent.up()
    assert agent.deliver() == 1
    row = agent.row()
    assert (row["state"], row["end_reason"]) == ("ended", "other")
    assert abs(parse_rfc3339(row["ended_at"]) - ended) < SLACK
    assert happened < ended


def test_what_comes_out_of_the_spool_makes_nobody_alive_again(agent: Story) -> None:
    """It was at work an hour ago, and that is what it says."""
    agent.down()
    agent.hook("UserPromptSubmit")
    happened = agent.now
    agent.pass_time(HOUR)
    agent.up()
    assert agent.deliver() == 1
    assert abs(last_life(agent) - happened) < SLACK
    assert agent.after(0, 4, 6) == ["working turn", "working turn", "quiet turn"]
    assert parse_rfc3339(agent.row()["because"]["silent_since"]) == last_life(agent)


def test_its_clock_is_set_right_while_it_works(agent: Story) -> None:
    """Stamps grow whatever the clock does, so nothing changes place; ages after that are those of the clock then."""
    agent.hook("UserPromptSubmit")
    agent.step_clock(-3 * HOUR)
    agent.hook("PreToolUse", **BASH)
    assert agent.after(0) == ["working tool"]
    agent.hook("PostToolUse", **BASH)
    assert agent.after(0) == ["working turn"]
    agent.hook("Stop")
    assert agent.after(0) == ["idle none"]
    agent.down()
    agent.hook("UserPromptSubmit")
    agent.pass_time(HOUR)
    agent.up()
    assert agent.deliver() == 1
    assert agent.now - last_life(agent) > HOUR - SLACK
