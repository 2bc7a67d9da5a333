"""Real Claude Code whose person shares a question's own words, and one whose person does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agents.claude import PROMPT_SHOWN
from tests.agents.connected import Connected
from tests.agents.script import Call, Say
from tests.agents.scripted_model import ScriptedModel
from tests.agents.test_claude import EACH, Version
from tests.mcp.speaking import eventually
from tests.serving import StartServer

pytestmark = pytest.mark.agents

WITHIN = 20.0
ASKED = {
    "question": "Retry once, or fail at once?",
    "header": "Fallback",
    "multiSelect": False,
    "options": [{"label": "Retry", "description": "once"}, {"label": "Fail", "description": "at once"}],
}


@EACH
def test_what_it_asks_is_shown_where_its_person_shares_it(
    start_server: StartServer, tmp_path: Path, version: Version
) -> None:
    touch = Call("Bash", {"command": "touch made.txt # token=hunter2", "description": "makes a file"})
    with ScriptedModel([touch, Call("AskUserQuestion", {"questions": [ASKED]}), Say("bye")]) as model:
        home = Connected(version.program(), tmp_path, start_server(), model)
        home.connect("--share-questions")
        with home.claude.terminal() as terminal:
            terminal.wait_for(PROMPT_SHOWN)
            terminal.enter("go")
            assert _waits(home) == ("Bash", "touch made.txt # token=… (makes a file)")
            terminal.wait_for("proceed?")
            assert "asks to use Bash: touch made.txt" in " ".join(home.onduty("who", COLUMNS="300").stdout.split())
            terminal.type("\x1b")
            terminal.enter("and now")
            terminal.wait_for("Fallback")
            assert _waits(home) == ("answer", "Retry once, or fail at once?")


def _waits(home: Connected) -> tuple[Any, Any]:
    [row] = eventually(home.rows, lambda rows: rows[0]["state"] == "waiting", WITHIN)
    return row["because"]["waits_for"], row["because"].get("question")
