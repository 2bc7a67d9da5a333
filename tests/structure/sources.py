"""The project's own files, as the rules in this folder read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "onduty"
ROOMS = ("audit", "identity", "projects", "sessions", "mcp", "web")

# What others wrote, what a program wrote, and what is not part of a clone.
_FOLDERS_NOT_OURS = {"node_modules", "__pycache__"}
_FILES_NOT_OURS = {"LICENSE", "LICENSE.txt", "package-lock.json", "swagger-ui-bundle.js", "swagger-ui.css", "uv.lock"}
_NOT_OURS = _FOLDERS_NOT_OURS | _FILES_NOT_OURS
_ROOTS = ("src", "tests", "docs", "benchmarks", ".ci")
_TEXT = {".py", ".md", ".html", ".css", ".js", ".toml", ".json", ".yaml", ".yml", ".svg", ".mako", ".txt", ""}


@dataclass(frozen=True)
class Source:
    """One Python file: `place` is its path below `src/onduty/`, or below the root for a file of the tests."""

    place: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def name(self) -> str:
        return Path(self.place).stem

    @property
    def room(self) -> str:
        """The folder it stands in, `sessions`; empty for a file that stands in none."""
        return self.place.partition("/")[0] if "/" in self.place else ""


def product() -> list[Source]:
    """Every Python file of the package."""
    return [Source(str(path.relative_to(PACKAGE)), path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))]


def everything() -> list[Source]:
    """Every Python file of the repository."""
    return [Source(place, text) for place, text in texts() if place.endswith(".py")]


def texts() -> list[tuple[str, str]]:
    """Every text file that a person wrote, as (path below the root, text)."""
    return [(str(path.relative_to(ROOT)), path.read_text()) for path in sorted(_written())]


def _written() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.is_file() and _is_text(path))
    for folder in _ROOTS:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and _is_text(path))


def _is_text(path: Path) -> bool:
    return path.suffix in _TEXT and not _NOT_OURS & set(path.relative_to(ROOT).parts)


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Every name that the file imports, with its line: `from a.b import c` is `a.b.c`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(source, node)
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    folder = ["onduty", *Path(source.place).parts[: -node.level]]
    return ".".join([*folder, *([node.module] if node.module else [])])


def calls(source: Source) -> Iterator[tuple[int, str, str]]:
    """Every call, as (line, what it is called on, name): `loop.create_task(x)` is `("loop", "create_task")`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield node.lineno, ast.unparse(node.func.value), node.func.attr
            elif isinstance(node.func, ast.Name):
                yield node.lineno, "", node.func.id
