"""The page of a project's audit log: newest first, all of it or of one kind or person."""

from datetime import UTC, tzinfo
from typing import Annotated, Any, Final, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BeforeValidator

from onduty.audit.model import Act, Entry, Filter
from onduty.audit.reading import Audit
from onduty.audit.sentences import label, says
from onduty.clock import Instant, rfc3339
from onduty.identity.asking import Now, SignedIn
from onduty.paging import Asked
from onduty.projects.asking import settings_of
from onduty.shapes import Uuid
from onduty.web.layout import PageRoute, page, zone_of
from onduty.wording import day_and_time

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_LINES: Final = 50
_ACTS: Final[tuple[Act, ...]] = get_args(Act)


def _or_none(value: object) -> object:
    """A form leaves empty what is not chosen."""
    return value or None


Chosen = Annotated[Act | None, BeforeValidator(_or_none), Query()]
Person = Annotated[Uuid | None, BeforeValidator(_or_none), Query()]
Cursor = Annotated[str | None, Query(max_length=400)]


def _audit(request: Request) -> Audit:
    room: Audit = request.app.state.audit
    return room


Room = Annotated[Audit, Depends(_audit)]


@router.get("/projects/{project}/settings/audit")
async def show(  # noqa: PLR0913 - one each from FastAPI
    request: Request,
    now: Now,
    visitor: SignedIn,
    room: Room,
    project: Uuid,
    act: Chosen = None,
    person: Person = None,
    cursor: Cursor = None,
) -> Response:
    asked = Asked(limit=_LINES, cursor=cursor)
    entries, older = await room.page(visitor, project, asked, Filter(act, person))
    zone = zone_of(request) or UTC
    query = {"act": act or "", "person": person or ""}
    return page(
        request,
        "audit.html",
        **settings_of(request, visitor, project),
        place="audit",
        lines=[_line(entry, room, now, zone) for entry in entries],
        acts=[("", "Everything"), *((each, label(each)) for each in _ACTS)],
        people=[("", "Everybody"), *await room.people(visitor, project)],
        chosen=query,
        is_filtered=bool(act or person),
        is_first=cursor is None,
        older=urlencode({**query, "cursor": older}) if older else None,
    )


def _line(entry: Entry, room: Audit, now: Instant, zone: tzinfo) -> dict[str, Any]:
    return {
        "at": rfc3339(entry.at),
        "when": day_and_time(entry.at, now, zone),
        "who": room.name_of(entry.user_id) or "Onduty",
        "what": says(entry, room.name_of),
        "address": entry.address,
        "session": entry.about.id if entry.act == "session_ended" else None,
    }
