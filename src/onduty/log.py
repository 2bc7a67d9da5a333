"""What the server writes to stderr: a line of JSON a record, with the id of the request that it was written for."""

import json
import logging
import sys
from contextvars import ContextVar
from typing import Final

from onduty.clock import rfc3339

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the request that is served, as its answer's `X-Request-Id` tells it; '' for what serves none."""


class Lines(logging.Formatter):
    """A record as one line of JSON, which no client's words can break."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
        line["timestamp"] = rfc3339(int(record.created * 1000))
        if request := request_id.get():
            line["request"] = request
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # JSON leaves the one control character of ASCII that it could leave out.
        return json.dumps(line).replace("\x7f", "\\u007f")


def log_to_stderr(level: str) -> None:
    """Log JSON lines of our own and of libraries to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
