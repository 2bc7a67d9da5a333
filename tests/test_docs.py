"""The manual is tested: settings, routes, error codes, tools and commands stand in docs/, and nothing else does."""

import re
from pathlib import Path

from sqlalchemy import Table

from onduty import errors
from onduty.application import rest
from onduty.background import Background
from onduty.cli.commands import COMMANDS
from onduty.clock import Clock
from onduty.database.engine import Database
from onduty.database.schema import prepare
from onduty.document import document
from onduty.mcp import tables as wire_tables
from onduty.mcp.shapes import INPUTS
from onduty.rooms import build
from onduty.sessions import tables as session_tables
from onduty.settings import describe, load

DOCS = Path(__file__).parent.parent / "docs"


def rows(page: str, pattern: str) -> set[str]:
    """What the first cells of a page's tables name."""
    return set(re.findall(rf"^\| {pattern}", (DOCS / page).read_text(), re.MULTILINE))


def test_each_setting_has_its_line(tmp_path: Path) -> None:
    settings = describe(load({"data": str(tmp_path)}, {}))
    assert rows("operate.md", r"`(ONDUTY_[A-Z_]+)`") == {variable for _, variable, _, _ in settings}


def test_each_error_code_has_its_line() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.Problem)]
    codes = {(str(kind.status), kind.code) for kind in kinds}
    assert set(re.findall(r"^\| (\d{3}) \| `([A-Z_]+)`", (DOCS / "api.md").read_text(), re.MULTILINE)) == codes


def test_each_route_has_its_line(tmp_path: Path) -> None:
    settings = load({"data": str(tmp_path)}, {})
    prepare(tmp_path / "onduty.sqlite3")
    database = Database.open(tmp_path / "onduty.sqlite3", Clock())
    try:
        paths = document(rest(build(settings, Clock(), database, Background())))["paths"]
    finally:
        database.close_now()
    routes = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    assert rows("api.md", r"`((?:GET|POST|PATCH|DELETE) [^`]+)`") == routes


def test_each_field_that_keeps_what_clients_say_has_its_line() -> None:
    """Every column of the tables that hold it stands in the manual, once, and no other."""
    told: dict[str, list[str]] = {}
    for table, fields in re.findall(
        r"^\| `([a-z_]+)` \| ((?:`[a-z_]+` ?)+)\|", (DOCS / "security.md").read_text(), re.MULTILINE
    ):
        told.setdefault(table, []).extend(re.findall(r"`([a-z_]+)`", fields))
    tables = [*vars(session_tables).values(), *vars(wire_tables).values()]
    kept = {t.name: sorted(c.name for c in t.columns) for t in tables if isinstance(t, Table)}
    # When the server listened is no word of a client's.
    del kept["listening"], kept["listening_gaps"]
    assert {name: sorted(fields) for name, fields in told.items()} == kept


def test_each_tool_has_its_line() -> None:
    assert rows("api.md", r"`([a-z_]+)`") == set(INPUTS)


def test_each_command_has_its_line() -> None:
    assert rows("api.md", r"`onduty ([a-z-]+)`") == set(COMMANDS)


def test_each_promise_names_a_test_that_is_there() -> None:
    promised = re.findall(r"^\| [^|]+ \| `([^`]+)` \|$", (DOCS / "guarantees.md").read_text(), re.MULTILINE)
    assert len(promised) > 20
    for where in promised:
        file, _, name = where.partition("::")
        assert f"def {name}(" in (DOCS.parent / "tests" / file).read_text(), where
