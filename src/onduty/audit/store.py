"""All SQL about the audit log."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, insert, or_, select

from onduty.audit.model import EVERYTHING, About, Entry, Filter
from onduty.audit.tables import audit_entries
from onduty.clock import Instant
from onduty.database.transaction import Reader, Writer

_A = audit_entries.c


def add(writer: Writer, entries: Sequence[Entry]) -> None:
    rows = [
        {
            "id": entry.id,
            "project_id": entry.project_id,
            "at": entry.at,
            "act": entry.act,
            "user_id": entry.user_id,
            "token_id": entry.token_id,
            "address": entry.address,
            "about_id": entry.about.id,
            "about_user_id": entry.about.user_id,
            "about_name": entry.about.name,
            "about_role": entry.about.role,
        }
        for entry in entries
    ]
    if rows:
        writer.connection.execute(insert(audit_entries), rows)


def people(reader: Reader, project_id: str) -> set[str]:
    """Ids of all who did something there or had something done to them."""
    found = [select(column).where(_A.project_id == project_id).distinct() for column in (_A.user_id, _A.about_user_id)]
    return {id for query in found for id in reader.connection.execute(query).scalars() if id is not None}


def remove(writer: Writer, project_id: str) -> None:
    writer.connection.execute(delete(audit_entries).where(_A.project_id == project_id))


def page(
    reader: Reader, project_id: str, after: tuple[Instant, str] | None, limit: int, wanted: Filter = EVERYTHING
) -> list[Entry]:
    """Entries of a project, newest first; those older than `after` where it is given."""
    query = select(audit_entries).where(_A.project_id == project_id)
    if wanted.act is not None:
        query = query.where(_A.act == wanted.act)
    if wanted.person is not None:
        query = query.where(or_(_A.user_id == wanted.person, _A.about_user_id == wanted.person))
    if after is not None:
        at, entry_id = after
        query = query.where(or_(_A.at < at, and_(_A.at == at, _A.id < entry_id)))
    rows = reader.connection.execute(query.order_by(_A.at.desc(), _A.id.desc()).limit(limit))
    return [
        Entry(
            id=row.id,
            project_id=row.project_id,
            at=row.at,
            act=row.act,
            user_id=row.user_id,
            token_id=row.token_id,
            address=row.address,
            about=About(row.about_id, row.about_user_id, row.about_name, row.about_role),
        )
        for row in rows
    ]
