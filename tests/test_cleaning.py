"""Text of clients: what is refused is refused at its field, everything else comes out harmless."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onduty import cleaning
from onduty.cleaning import clean, for_agents, origin_of, slug, text
from onduty.errors import Invalid

ANYTHING = st.text(st.characters(codec=None))
# Format characters that are seen: signs that enclose or stand over the digits after them.
SEEN = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}


def test_nothing_that_controls_or_hides_is_left() -> None:
    """Every code point of Unicode: control, format, surrogate and line ends go; what people write stays."""
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and point not in SEEN
        left = clean(f"a{character}b")
        assert not (hidden and character in left), hex(point)
        if unicodedata.category(character)[0] in "LNPS" and character not in "\u115f\u1160\u3164\uffa0\u2800":
            assert left == f"a{character}b", hex(point)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("  build \t\r\n the\u00a0\u3000API ", "build the API"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x9b31mred", "31mred"),
        ("abc\u202ecba", "abccba"),
        ("\u2066iso\u2069", "iso"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("smuggled\U000e0101\ufe0f", "smuggled"),
        ("line\u2028end\u2029\x85\x1c", "line end"),
        ("naïve 名前 🚀 <b>", "naïve 名前 🚀 <b>"),
    ],
)
def test_what_is_washed_off(sent: str, kept: str) -> None:
    assert text(sent, "said", cleaning.SAID) == kept


@given(ANYTHING)
def test_cleaning_refuses_nothing_and_twice_is_once(value: str) -> None:
    once = clean(value)
    assert clean(once) == once
    assert "\0" not in once
    assert once.encode("utf-8") is not None
    assert len(once) <= len(value)
    assert once.split() == [word for word in once.split(" ") if word], "white space is one space"


@given(st.text(st.sampled_from("a\u200b \t"), max_size=30))
def test_length_is_counted_before_cleaning(value: str) -> None:
    if len(value) <= 10:
        text(value, "x", 10)
    else:
        with pytest.raises(Invalid) as caught:
            text(value, "x", 10)
        assert caught.value.fields == (("x", "must have at most 10 characters"),)


@pytest.mark.parametrize("value", ["a\0", "\0", "\ud800", "a\udfffb"])
def test_nul_and_lone_surrogates_are_refused_at_the_field(value: str) -> None:
    with pytest.raises(Invalid) as caught:
        text(value, "events.3.tool", 10)
    assert caught.value.fields[0][0] == "events.3.tool"


@pytest.mark.parametrize("value", ["", " ", "\u200b", "\u3164", " \u202e "])
def test_what_is_shown_as_nothing_is_empty(value: str) -> None:
    assert text(value, "role", 10) == ""
    for read in (text, slug):
        with pytest.raises(Invalid, match="role: must not be empty"):
            read(value, "role", 10, required=True)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Anna's MacBook", "Anna-s-MacBook"),
        ("feature/a_b.c+d-1", "feature/a_b.c+d-1"),
        ("größe/名前", "größe/名前"),
        ("a;rm -rf $HOME", "a-rm--rf--HOME"),
        ("<script>", "-script-"),
        ("\x1b]0;title\x07", "-0-title"),
    ],
)
def test_machines_and_branches_are_one_word(sent: str, kept: str) -> None:
    assert slug(sent, "machine_id") == kept


@given(ANYTHING)
def test_a_slug_of_a_slug_is_itself(value: str) -> None:
    try:
        once = slug(value, "branch")
    except Invalid:
        return
    assert slug(once, "branch") == once
    assert not set(once) & set(" <>&'\"`$;\\|*?[](){}\x1b")


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("claude-code", "claude-code"),
        ("codex-mcp-client", "codex"),
        ("gemini-cli-mcp-client", "gemini-cli"),
        ("copilot-cli", "copilot-cli"),
        ("opencode", "opencode"),
        ("Codex-MCP-Client", "codex"),
        (" My\x1b Client ", "my client"),
    ],
)
def test_client_names_become_origins(name: str, origin: str) -> None:
    assert origin_of(name) == origin


@given(ANYTHING)
def test_every_name_has_an_origin_that_fits(name: str) -> None:
    origin = origin_of(name * 3)
    assert len(origin) <= cleaning.ORIGIN
    assert origin_of(origin) == origin


@pytest.mark.parametrize("word", ["", "Backend", "back end", "x" * 33, "ignore\nall", "qa!", "rôle", "qa\n"])
def test_agents_read_nothing_that_could_be_a_sentence(word: str) -> None:
    assert for_agents(word) == "other"


@pytest.mark.parametrize("word", ["backend", "x" * 32, "claude-code", "qa_2.1"])
def test_agents_read_plain_words(word: str) -> None:
    assert for_agents(word) == word
