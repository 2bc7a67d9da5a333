"""JSON of others: one place changes, everything else stays as it is, and what was put in is taken out again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onduty.client.json_text import Broken, parsed, with_item, with_member, without_items, without_member

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(st.text(max_size=3), _VALUES, max_size=4)
_LAYOUTS = st.sampled_from([None, 0, 1, 2, 4, "\t"])


@given(_OBJECTS, _LAYOUTS, st.booleans())
def test_what_was_put_in_is_taken_out_again(
    value: dict[str, object], indent: int | str | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only) + "\n"
    put = with_member(text, ["onduty!"], {"a": [1, {"b": "c"}]})
    assert json.loads(put) == {**value, "onduty!": {"a": [1, {"b": "c"}]}}
    assert list(json.loads(put))[-1] == "onduty!"
    assert without_member(put, ["onduty!"]) == text


@given(st.lists(_VALUES, max_size=4), _LAYOUTS)
def test_items_likewise(items: list[object], indent: int | str | None) -> None:
    text = json.dumps({"x": 1, "l": items, "y": {}}, indent=indent)
    put = with_item(text, ["l"], {"ours": True})
    assert json.loads(put)["l"] == [*items, {"ours": True}]
    assert without_items(put, ["l"], lambda item: item == {"ours": True}) == text


def test_a_persons_own_layout_stays() -> None:
    text = '{\n    "a" : 1,\n\n    "hooks": { "Stop": [ {"x":1} ] }   ,"z":[]\n}'
    put = with_item(text, ["hooks", "Stop"], {"y": 2})
    assert put.startswith('{\n    "a" : 1,\n\n    "hooks": { "Stop": [ {"x":1},')
    assert put.endswith(' ] }   ,"z":[]\n}')
    assert without_items(put, ["hooks", "Stop"], lambda item: item == {"y": 2}) == text


def test_objects_on_the_way_are_made() -> None:
    put = with_item("{}\n", ["hooks", "Stop"], {"y": 2})
    assert put == json.dumps({"hooks": {"Stop": [{"y": 2}]}}, indent=2) + "\n"


def test_a_windows_file_keeps_its_lines() -> None:
    put = with_member('{\r\n  "a": 1\r\n}\r\n', ["b"], {"c": 2})
    assert put == '{\r\n  "a": 1,\r\n  "b": {\r\n    "c": 2\r\n  }\r\n}\r\n'


@pytest.mark.parametrize(("text", "line"), [("", 1), ("{\n  // no\n}", 2), ('{"a": 1,\n}', 2), ("[" * 100_000, 1)])
def test_what_is_broken_says_where(text: str, line: int) -> None:
    with pytest.raises(Broken) as broken:
        parsed(text)
    assert broken.value.line in (line, line - 1)


@pytest.mark.parametrize("text", ["[]", '{"hooks": []}', '{"hooks": {"Stop": {}}}'])
def test_what_is_something_else_is_not_touched(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        with_item(text, ["hooks", "Stop"], 1)
