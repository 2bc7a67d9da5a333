"""Words that stand nowhere: work put off in a comment, and who or what wrote the text."""

from __future__ import annotations

import re

from tests.structure.sources import texts

# Each is put together from parts, so that this file does not hold it.
_PUT_OFF = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
_MAKER = re.compile(
    "|".join(
        (
            "co-" + "authored-by",
            r"\b(generated|written|made|built) (by|with|using) (an? )?(ai|llm|gpt|gemini|codex|claude)\b",
            r"\bas an " + r"(ai|language model)\b",
            r"\bai-" + r"(generated|written|assisted)\b",
            r"\bchat" + r"gpt\b",
            r"\bthe " + r"(ceo|user's prompt|team lead)\b",
            "/work/" + "(main|shared)",
            r"\.\./" + "shared/",
        )
    ),
    re.IGNORECASE,
)


def breaches(place: str, text: str) -> list[str]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if word := _PUT_OFF.search(line):
            found.append(f"{place}:{number}: {word.group()}: do it now, or file an issue and say what holds today")
        if word := _MAKER.search(line):
            found.append(f"{place}:{number}: {word.group()!r}: a reader needs what holds, not who wrote it or where")
    return found


def test_no_such_words() -> None:
    found = [breach for place, text in texts() for breach in breaches(place, text)]
    assert not found, "\n".join(found)


def test_the_rule_can_fail() -> None:
    assert breaches("src/onduty/clock.py", "# TO" + "DO: later")
    assert breaches("README.md", "Co-" + "Authored-By: somebody")
    assert breaches("README.md", "Made " + "with Claude.")
    assert breaches("docs/api.md", "see ../" + "shared/design.md")
    assert not breaches("README.md", "Claude Code is made visible; its todo list is not. Codex, too.")
