"""TOML of others: read as Python's own reader does, and byte for byte the same but for our tables."""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onduty.client.edits import Unreadable
from onduty.client.json_text import Broken
from onduty.client.toml_edits import TomlFile
from onduty.client.toml_text import Time, parsed, written

PIECES = (
    "a = 1", "a.b = 1\na.c = 2", "[a]\nb = 1\n[a.c]\nd = [1,\n 2, # x\n]",
    "[[a]]\nb = 1\n[[a]]\n[a.c]\nx = {y = 1, z = {}}",
    'x = """\na\\\n   b""" # c', "x = '''a''''", "d = 1979-05-27T07:32:00Z\ne = 07:32:00\nf = 1979-05-27",
    "a = 0x1F\nb = 1e5\nc = -inf\nd = nan", "\"a b\".'c' = true", '[ a . "b" ]\n\n#x\nc = "\\u00e9\\\\"',
    "[a.b.c]\n[a]\nb.x = 1",
    "[fruit]\napple.taste.sweet = true\n[fruit.apple.texture]\nsmooth = true", 'x = """a""b"""""', "\r\n[a]\r\nb = 1\r",
    'a = """\r\nx\r\ny"""', "a = 1 b = 2", "a = {b = 1}\n[a.c]", 'a = "\\q"', "a = 01",
    "a = [1]\n[[a]]", "a = {b = 1,}",
)  # fmt: skip
MARKS = "[]{}=.,\"'#\n\r\\ \tab01_-+:uTZ\x01é"


def norm(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: norm(each) for key, each in value.items()}
    if isinstance(value, list):
        return [norm(each) for each in value]
    if isinstance(value, dt.date | dt.time | Time):
        return "a time"
    return "nan" if value != value else value


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(MARKS, max_size=4)), max_size=4), st.data())
@example([""], None)
def test_it_is_read_as_python_reads_it(pieces: list[str], data: Any) -> None:
    text = "\n".join(pieces)
    if data is not None and text:
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.text(MARKS, max_size=2)) + text[at + data.draw(st.integers(0, 1)) :]
    try:
        wanted = norm(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValueError):
        with pytest.raises(Broken):
            parsed(text)
    else:
        assert norm(parsed(text).value) == wanted


@given(st.dictionaries(st.text(), st.text(), min_size=1))
def test_what_is_written_is_read_back(table: dict[str, str]) -> None:
    text = written(("a b", "c"), table)
    assert tomllib.loads(text) == {"a b": {"c": table}}


OURS: dict[tuple[str, ...], dict[str, Any]] = {
    ("mcp", "onduty"): {"url": "u", "headers": {"A b": "c"}},
    ("hooks", "state", "/x:1"): {"hash": "h"},
}


@pytest.mark.parametrize(
    "text",
    ["", "a = 1", "a = 1\n", "# only\n\n\n", "[mcp]\nx = 1 # y\n[mcp.other]\n", "a = 1\r\n[b]\r\n  c = 2\r\n"],
)
def test_what_was_put_in_is_taken_out_again(text: str) -> None:
    file, record = TomlFile("f", OURS), dict[str, Any]()
    put = file.put(text, record)
    assert put.startswith(text)
    assert file.put(put, record) == put
    assert ("\r" in put.replace("\r\n", "")) is False
    document = tomllib.loads(put)
    assert document["hooks"]["state"]["/x:1"] == {"hash": "h"}
    assert file.take(put, record) == text
    assert TomlFile("f", {**OURS, ("mcp", "onduty"): {"url": "v"}}).put(put, dict(record)).count("onduty") == 1
    assert file.take(f"{put}\n[later]\n", record).startswith(text)


def test_what_stood_in_our_place_comes_back() -> None:
    text = "[mcp.onduty] # mine\nurl = 'x'\n[mcp.onduty.headers]\nB = '1'\n\n[z]\ny = 1\n"
    file, record = TomlFile("f", OURS), dict[str, Any]()
    put = file.put(text, record)
    assert tomllib.loads(put)["mcp"]["onduty"] == OURS["mcp", "onduty"]
    assert put.index("[mcp.onduty]") < put.index("[z]")
    assert file.take(put, record) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mcp]\nonduty.url = 'x'\n", "f:2: mcp.onduty is there in another form"),
        ("[mcp.onduty]\n[z]\n[mcp.onduty.x]\n", "f:1: mcp.onduty is there in another form"),
        ("mcp = 3\n", "it is not valid TOML|do not fit"),
        ("mcp = {a = 1}\n", "it is not valid TOML|do not fit"),
        ("[[mcp]]\n", "do not fit"),
        ("a = 1\nb = \n", "f:2: it is not valid TOML"),
        ("a = [" * 200, "f:1: it is not valid TOML"),
    ],
)
def test_what_cannot_be_changed_without_harm_is_not(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        TomlFile("f", OURS).put(text, {})
