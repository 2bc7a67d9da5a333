"""Which exit code an error has, and the line that says it on stderr."""

import errno
import os
import sys
import traceback

import typer
from typer.exceptions import TyperException

from onduty.cleaning import clean
from onduty.client.api import NotReached, NotSignedIn, Refused
from onduty.client.credentials import CredentialsError
from onduty.database.refused import Refused as DataRefused
from onduty.settings import SettingsError

USAGE = 2
NOT_REACHED = 3
NOT_ALLOWED = 4
CONFLICT = 5
OUR_FAULT = 70
INTERRUPTED = 130

_BY_STATUS = {401: NOT_ALLOWED, 403: NOT_ALLOWED, 409: CONFLICT, 429: NOT_REACHED}
_GATEWAYS = (502, 503, 504)


class Conflict(Exception):  # noqa: N818
    """What was asked for can be read in two ways. One line."""


class NotVisible(Exception):  # noqa: N818
    """What was asked for does not exist, or not for this token. One line."""


_CODES: dict[type[Exception], int] = {
    SettingsError: USAGE,
    DataRefused: USAGE,
    CredentialsError: USAGE,
    NotReached: NOT_REACHED,
    NotSignedIn: NOT_ALLOWED,
    NotVisible: NOT_ALLOWED,
    Conflict: CONFLICT,
}


def answer_for(error: BaseException) -> int:
    """The exit code, after the error has been told on stderr."""
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return INTERRUPTED
    if isinstance(error, OSError):
        # Python would try what is left once more as it ends, and have an exit code of its own for that.
        _discard_output()
    if isinstance(error, BrokenPipeError):
        # `onduty who | head -1`: what was wanted is read.
        return 0
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _complain(f"writing failed: {error.strerror}")
        return OUR_FAULT
    if isinstance(error, TyperException):
        # Its own words, with the usage line. Of the codes that it knows only that of a usage error is ours too.
        getattr(error, "show", lambda: _complain(str(error)))()
        return USAGE
    if isinstance(error, Refused):
        _complain(_words(error))
        return code_of(error.status)
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            _complain(str(error))
            return code
    traceback.print_exception(error)
    _complain("this is our fault; the lines above say where")
    return OUR_FAULT


def code_of(status: int) -> int:
    """The exit code for an error answer of the server."""
    if status in _GATEWAYS:
        return NOT_REACHED
    return _BY_STATUS.get(status, USAGE if status < 500 else OUR_FAULT)


def say(line: str) -> None:
    """A message for a person, on stderr; nothing in it moves the cursor."""
    print(clean(line), file=sys.stderr)


def _complain(line: str) -> None:
    say(f"onduty: {line}")


def _words(error: Refused) -> str:
    if error.status == 401:
        return "The token is not taken: it is unknown, revoked or expired"
    return str(error)


def _discard_output() -> None:
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, AttributeError):
        pass
