"""What an event of a page's live stream holds beside the row: the row, or what it asks for, as the page shows it."""

from collections.abc import Callable
from typing import Any, Final

from onduty.sessions.roster import Eye, entry
from onduty.web.layout import template

# What the page's script places a row by; all else stands in the row that it is shown.
_PLACED_BY: Final = ("session_id", "user_id", "machine_id", "caller_role", "state", "parent_session_id", "because")


def dress(name_of: Callable[[str], str]) -> Callable[[dict[str, Any], str, str], dict[str, Any]]:
    """Make the markup of changed rows; `name_of` says who a user is. Times in it are left to the page's script.

    The row beside it is cut to what the script goes by, so that one change stays within 2 KB.
    """

    def dressed(row: dict[str, Any], viewer_id: str, _: str) -> dict[str, Any]:
        parts: Any = template("parts.html").module
        shown = entry(row, Eye(viewer_id, None, None, name_of))
        words = str(parts.ask(shown) if row["state"] == "waiting" else parts.row(shown))
        return {"session": {name: row[name] for name in _PLACED_BY}, "shown": words}

    return dressed
