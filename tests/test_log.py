"""What the server writes to stderr: a line of JSON a record, whatever clients say."""

from __future__ import annotations

import json
import logging
import sys

from onduty.clock import parse_rfc3339
from onduty.server import _Lines


def _written(message: str, *values: object, failed: bool = False) -> str:
    info = sys.exc_info() if failed else None
    record = logging.LogRecord("onduty.somewhere", logging.WARNING, "file.py", 1, message, values, info)
    return _Lines().format(record)


def test_a_line_says_what_how_bad_where_and_when() -> None:
    line = json.loads(_written("lost after %s", "3 s"))
    assert (line["event"], line["level"], line["logger"]) == ("lost after 3 s", "warning", "onduty.somewhere")
    assert parse_rfc3339(line["timestamp"]) > 0
    assert "exception" not in line


def test_nothing_breaks_out_of_its_line() -> None:
    said = 'a\n{"event": "forged"}\r\x1b[31m\u2028\u0085\ud800"'
    written = _written("said %s", said)
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written)["event"] == f"said {said}"


def test_what_went_wrong_stands_in_the_same_line() -> None:
    try:
        raise ValueError("no\nsuch")
    except ValueError:
        written = _written("it failed", failed=True)
    assert "\n" not in written
    assert json.loads(written)["exception"].endswith("ValueError: no\nsuch")
