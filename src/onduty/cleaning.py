"""What is refused, and what is washed off, in text that clients send. Limits are in characters, before cleaning."""

import re
from typing import Final

from onduty.errors import Invalid

ROLE: Final = 120
ORIGIN: Final = 120
SAID: Final = 120
NAME: Final = 120
TOOL: Final = 120
QUESTION: Final = 200
REF: Final = 200
EVENT_ID: Final = 200
TOOL_ID: Final = 200
MACHINE: Final = 64
BRANCH: Final = 64

VERSION: Final = 120
FOLDER: Final = 120
TICKET: Final = 120

_ORIGINS: Final = {"codex-mcp-client": "codex", "gemini-cli-mcp-client": "gemini-cli"}
_FOR_AGENTS = re.compile(r"[a-z0-9_.-]{1,32}", re.ASCII)
_NOT_SLUG = re.compile(r"[^\w./+-]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Control characters that are no white space, Unicode's format characters (bidi, zero-width, tags) but for the few that
# are seen, and what is shown as nothing though it counts as a letter or mark: fillers, joiners, variation selectors.
UNWANTED: Final = (
    "\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# What `str.split` takes for white space and is not among those.
WHITE: Final = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNWANTED = re.compile(f"[{UNWANTED}]+")


def clean(value: str) -> str:
    """Text that is safe on one line of a terminal, log, page or title. Refuses nothing; twice is the same as once."""
    if not (value.isascii() and value.isprintable()):
        value = _UNWANTED.sub("", value)
    return " ".join(value.split())


def text(value: str, at: str, limit: int, required: bool = False) -> str:
    """Cleaned text. Invalid at `at`: too long before cleaning, a NUL or lone surrogate, empty where required."""
    if len(value) > limit:
        raise Invalid.at(at, f"must have at most {limit} characters")
    if "\0" in value or _SURROGATE.search(value):
        raise Invalid.at(at, "must be text without NUL and lone surrogates")
    cleaned = clean(value)
    if required and not cleaned:
        raise Invalid.at(at, "must not be empty")
    return cleaned


def slug(value: str, at: str, limit: int = MACHINE, required: bool = False) -> str:
    """A machine or a branch: cleaned, then any character but letters, digits and `._/+-` is a `-`."""
    return _NOT_SLUG.sub("-", text(value, at, limit, required))


def origin_of(client_name: str) -> str:
    """The origin that a client's own name for itself stands for. Refuses nothing: too long a name is cut."""
    name = clean(clean(client_name).lower()[:ORIGIN])
    return _ORIGINS.get(name, name)


def for_agents(word: str) -> str:
    """A role or origin as another agent may read it: as it is where it cannot be a sentence, else `other`."""
    return word if _FOR_AGENTS.fullmatch(word) else "other"
