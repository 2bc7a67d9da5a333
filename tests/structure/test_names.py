"""No file has a name outside the furniture, and none is an attic."""

from __future__ import annotations

from pathlib import Path

from tests.structure.sources import Source, everything, product

_FURNITURE = {"__init__", "model", "tables", "store", "service", "routes", "tools", "pages"}
_ALLOWED = {
    "": {"__init__", "__main__", "server", "front", "settings", "errors", "clock", "background", "cleaning"}
    | {
        "answers",
        "api",
        "application",
        "metrics",
        "first_start",
        "handout",
        "health",
        "limits",
        "log",
        "origins",
        "process",
        "rooms",
        "shapes",
    }
    | {"addresses", "document", "export", "export_routes", "ordering", "paging", "wording"},
    "database": {"__init__", "engine", "writer", "transaction", "dialect", "schema", "files", "metadata", "migrations"}
    | {"line", "lines", "readers", "refused", "sqlite", "unit"}
    | {"opening", "postgres", "postgres_lock", "postgres_pool", "postgres_schema", "turns"}
    | {"backups", "checking", "copying", "moving", "restoring", "upgrading"}
    | {"postgres_backups", "postgres_checking"},
    "audit": _FURNITURE | {"reading", "sentences"},
    "identity": _FURNITURE
    | {"asking", "connect_pages", "issuing", "pairing", "pairing_routes", "revoking", "token_pages", "token_routes"}
    | {"accounts", "browsers", "passwords", "profile_pages"}
    | {"walls", "wall_pages"},
    "projects": _FURNITURE
    | {"asking", "deleting", "invitation_routes", "invitations", "members", "people_pages", "people_routes"}
    | {"settings_pages"},
    "sessions": _FURNITURE
    | {
        "resolution",
        "registry",
        "presence",
        "events",
        "stream",
        "listing",
        "fold",
        "keeping",
        "rows",
        "shown",
        "reading",
        "processes",
    }
    | {
        "reading_routes",
        "events_routes",
        "roster",
        "row_pages",
        "wall_pages",
        "retention",
        "history",
        "overview",
        "overview_pages",
        "stream_pages",
        "stream_routes",
        "stream_wire",
        "streams",
    },
    "mcp": _FURNITURE | {"layer", "arriving", "answering", "lists", "offering", "plain", "sdk", "shapes", "streams"},
    "web": {"__init__", "layout", "forms", "pages", "templates", "static"},
}
# One file a subcommand, one file an agent client: what stands there is named for what it serves.
_OPEN = {"cli", "client"}
_ATTICS = {"base", "common", "helper", "helpers", "kit", "manager", "managers", "misc", "util", "utils"}


def breaches(source: Source) -> list[str]:
    room = source.room
    name = Path(source.place.removeprefix(f"{room}/")).parts[0].removesuffix(".py")
    if room in _OPEN or name in _ALLOWED.get(room, set()):
        return []
    where = f"{room}/" if room else "src/onduty/"
    allowed = ", ".join(sorted(_ALLOWED.get(room, set()) - {"__init__"})) or "no such room"
    return [f"{source.place}: {name} is no furniture of {where} ({allowed}): put it where it belongs, or name it here"]


def attics(place: str) -> list[str]:
    names = set(Path(place).with_suffix("").parts)
    words = {word for name in names for word in name.split("_")} & _ATTICS
    return [f"{place}: {word} says nothing: name it for what it does" for word in sorted(words)]


def test_files_are_furniture() -> None:
    found = [breach for source in product() for breach in breaches(source)]
    assert not found, "\n".join(found)


def test_no_attic() -> None:
    found = [breach for source in everything() for breach in attics(source.place)]
    assert not found, "\n".join(found)


def test_the_rules_can_fail() -> None:
    assert breaches(Source("sessions/things.py", ""))
    assert breaches(Source("things.py", ""))
    assert breaches(Source("attic/model.py", ""))
    assert not breaches(Source("sessions/model.py", ""))
    assert not breaches(Source("database/migrations/versions/0001_first.py", ""))
    assert not breaches(Source("cli/who.py", ""))
    assert not breaches(Source("clock.py", ""))
    assert attics("src/onduty/sessions/utils.py")
    assert attics("tests/session_helpers.py")
    assert not attics("tests/people.py")
