"""What an entry of the log says: every kind of act has its sentence, with whom and what it was about."""

from __future__ import annotations

from typing import get_args

import pytest

from onduty.audit.model import About, Act, Entry
from onduty.audit.sentences import label, says

_NAMES = {"a": "Alice", "b": "Bob", None: None}


def _entry(act: str, about: About) -> Entry:
    return Entry("id", "project", 0, act, "a", None, None, about)


@pytest.mark.parametrize("act", get_args(Act))
def test_every_act_has_a_sentence_and_a_label(act: Act) -> None:
    words = says(_entry(act, About("x", "b", "atlas", "viewer")), _NAMES.get)
    assert words.strip() == words != ""
    assert "{" not in words
    assert "None" not in says(_entry(act, About()), _NAMES.get)
    assert label(act)[0].isupper()


def test_it_says_to_whom_and_what() -> None:
    told = {
        "member_lowered": "lowered Bob to viewer",
        "member_removed": "removed Bob",
        "session_ended": "ended a session of Bob (atlas)",
        "token_made": "made the token “atlas”",
    }
    for act, words in told.items():
        assert says(_entry(act, About("x", "b", "atlas", "viewer")), _NAMES.get) == words
    for many, words in (("1", "removed 1 agent session past their time"), ("2", "removed 2 agent sessions past")):
        assert says(_entry("sessions_removed", About(name=many)), _NAMES.get).startswith(words)


def test_what_looks_like_a_template_is_a_name() -> None:
    about = About("x", "b", "{whom} {0.__class__}", "viewer")
    assert says(_entry("token_made", about), _NAMES.get) == "made the token “{whom} {0.__class__}”"
