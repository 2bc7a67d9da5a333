"""All SQL about wire ids and chosen projects."""

from collections.abc import Mapping

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from onduty.clock import Instant
from onduty.database.dialect import insert as insert_or_replace
from onduty.database.transaction import Reader, Writer
from onduty.mcp.model import FORGOTTEN_MS, FORGOTTEN_UNUSED_MS, Wire
from onduty.mcp.tables import chosen_projects, wire_ids

_W = wire_ids.c
Chosen = tuple[str, str, str]


def wire(reader: Reader, wire_id: str) -> Wire | None:
    columns = (
        _W.id, _W.token_id, _W.machine_id, _W.project_id, _W.session_id, _W.client_name, _W.client_version,
        _W.created_at, _W.last_request_at,
    )  # fmt: skip
    row = reader.connection.execute(select(*columns).where(_W.id == wire_id)).first()
    return None if row is None else Wire(*row)


def add_wire(writer: Writer, new: Wire) -> None:
    names = [c.name for c in wire_ids.c]
    writer.connection.execute(insert(wire_ids), {name: getattr(new, name) for name in names})


def point(writer: Writer, wire_id: str, session_id: str, project_id: str | None) -> None:
    writer.connection.execute(
        update(wire_ids).where(_W.id == wire_id).values(session_id=session_id, project_id=project_id)
    )


def remove(writer: Writer, wire_id: str) -> None:
    writer.connection.execute(delete(wire_ids).where(_W.id == wire_id))


def others_pointing(reader: Reader, session_id: str, wire_id: str) -> int:
    query = select(func.count()).select_from(wire_ids).where(_W.session_id == session_id, _W.id != wire_id)
    return reader.connection.execute(query).scalar_one()


def note_requests(writer: Writer, requests: Mapping[str, Instant]) -> None:
    rows = [{"wire": wire_id, "at": at} for wire_id, at in requests.items()]
    if rows:
        statement = update(wire_ids).where(_W.id == bindparam("wire")).values(last_request_at=bindparam("at"))
        writer.connection.execute(statement, rows)


def forget(writer: Writer) -> None:
    """Remove wire ids that are past their time."""
    unused = _W.session_id.is_(None) & (_W.last_request_at < writer.now - FORGOTTEN_UNUSED_MS)
    writer.connection.execute(delete(wire_ids).where(or_(unused, _W.last_request_at < writer.now - FORGOTTEN_MS)))


def all_chosen(reader: Reader) -> dict[Chosen, str]:
    c = chosen_projects.c
    rows = reader.connection.execute(select(c.token_id, c.machine_id, c.client_name, c.project_id))
    return {(row.token_id, row.machine_id, row.client_name): row.project_id for row in rows}


def choose(writer: Writer, key: Chosen, project_id: str) -> None:
    token_id, machine_id, client_name = key
    row = {"token_id": token_id, "machine_id": machine_id, "client_name": client_name, "project_id": project_id}
    statement = insert_or_replace(chosen_projects)
    writer.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["token_id", "machine_id", "client_name"],
            set_={"project_id": statement.excluded.project_id},
        ),
        row,
    )
