"""Where the tests of stores and services keep their data: a SQLite file, then a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from onduty.database import postgres, schema
from tests.database import notes

Place = Path | str
"""A file, or a database's address."""

BOTH = ("sqlite", "postgresql")


@pytest.fixture(params=BOTH)
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """A new place each time, at this version's schema once it is `prepared`; the test runs for either database."""
    if request.param == "sqlite":
        numbers = count()
        return lambda: tmp_path / f"data-{next(numbers)}.sqlite3"
    cluster, template = request.getfixturevalue("cluster"), request.getfixturevalue("template")
    return lambda: cluster.new(template)


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    """A new place; the test runs for either database."""
    return new_place()


@pytest.fixture(params=BOTH)
def notes_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A new place that has the table of `notes` alone; the test runs for either database."""
    if request.param == "sqlite":
        return notes.make(tmp_path)
    return notes.make_on(request.getfixturevalue("cluster"))


def prepared(place: Place) -> Place:
    """The place, at this version's schema, which a PostgreSQL database is from the first."""
    if not postgres.is_address(place):
        schema.prepare(place)
    return place
