"""What a page's form sent, and what it shows again."""

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qs

from fastapi import Request

from onduty.errors import Invalid, TooLarge, Unsupported

_BYTES: Final = 10_000
_TYPE: Final = "application/x-www-form-urlencoded"


async def form(request: Request) -> dict[str, str]:
    """The form's fields, the first of each name; empty ones left out. Unsupported, or TooLarge over 10 000 bytes."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise Unsupported("This must be a form")
    body = await request.body()
    if len(body) > _BYTES:
        raise TooLarge(_BYTES)
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def typed(fields: Mapping[str, str] = MappingProxyType({})) -> Mapping[str, str]:
    """What a form shows in its fields; empty where nothing was typed."""
    return defaultdict(str, fields)


def wrong(problem: Invalid | None = None, words: Mapping[str, str] = MappingProxyType({})) -> Mapping[str, str]:
    """What stands under each field that is wrong, in these words where the field has its own; empty elsewhere."""
    found = {} if problem is None else dict(reversed(problem.fields))
    return defaultdict(str, {name: words.get(name, f"It {message}.") for name, message in found.items()})
