"""Lists that stand in memory whole and go out in pages, in the order of a key that no two rows share."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from onduty.errors import Invalid

PAGE: Final = 1000

T = TypeVar("T")


class Asked(BaseModel):
    """The query of a list in pages."""

    limit: int = Field(PAGE, ge=1, le=PAGE, description="How many rows a page has at the most")
    cursor: str | None = Field(None, max_length=400, description="`next_cursor` of the page before")

    @property
    def after(self) -> str | None:
        """What the page before ended with. Invalid at `cursor`."""
        return None if self.cursor is None else _read(self.cursor)


Paged = Annotated[Asked, Query()]


def page(rows: Iterable[T], key: Callable[[T], str], asked: Asked) -> tuple[list[T], str | None]:
    """The rows of one page by their key, and the cursor of the next if there is more. Invalid at `cursor`."""
    after = asked.after
    left = sorted((row for row in rows if after is None or key(row) > after), key=key)
    chosen = left[: asked.limit]
    return chosen, cursor_of(key(chosen[-1])) if len(left) > len(chosen) else None


def listed(name: str, rows: list[Any], next_cursor: str | None) -> JSONResponse:
    """The answer to a list."""
    return JSONResponse({name: rows} | ({} if next_cursor is None else {"next_cursor": next_cursor}))


def cursor_of(key: str) -> str:
    """A key as a cursor."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise Invalid.at("cursor", "is no cursor of this list") from None
