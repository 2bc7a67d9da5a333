"""No file over 400 lines; a function over 50 lines says why in a line that begins with `# why long:`."""

from __future__ import annotations

import ast

from tests.structure.sources import Source, everything, texts

_FILE_LINES = 400
_FUNCTION_LINES = 50
_COUNTED = (".py", ".css", ".html", ".js")


def long_file(place: str, text: str) -> list[str]:
    lines = text.count("\n")
    if not place.endswith(_COUNTED) or lines <= _FILE_LINES:
        return []
    return [f"{place}: {lines} lines, {_FILE_LINES} at most: split it by what a person does with it"]


def long_functions(source: Source) -> list[str]:
    return [
        f"{source.place}:{node.lineno}: {node.name} has {lines} lines: split it, or say in it # why long: ..."
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := _lines(node)) > _FUNCTION_LINES
        and not _says_why(source, node)
    ]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _says_why(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    lines = source.text.splitlines()[node.lineno - 1 : node.end_lineno]
    return any(line.strip().startswith("# why long: ") for line in lines)


def test_no_file_is_long() -> None:
    found = [breach for place, text in texts() for breach in long_file(place, text)]
    assert not found, "\n".join(found)


def test_a_long_function_says_why() -> None:
    found = [breach for source in everything() for breach in long_functions(source)]
    assert not found, "\n".join(found)


def test_the_rules_can_fail() -> None:
    assert long_file("src/onduty/server.py", "x = 1\n" * 401)
    assert not long_file("src/onduty/server.py", "x = 1\n" * 400)
    assert not long_file("docs/api.md", "word\n" * 401)
    assert long_functions(Source("server.py", "def f():\n" + "    x = 1\n" * 50))
    assert not long_functions(Source("server.py", "def f():\n" + "    x = 1\n" * 49))
    assert not long_functions(Source("server.py", "def f():\n    # why long: one table\n" + "    x = 1\n" * 60))
