"""All SQL about users, tokens, sign-in links and browser sessions. Secrets come here as digests."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update

from onduty.clock import Instant
from onduty.database.transaction import Reader, Writer
from onduty.identity.model import Principal
from onduty.identity.tables import browser_sessions, sign_in_links, token_projects, tokens, users, wall_views


class StoredToken(NamedTuple):
    digest: bytes
    principal: Principal
    is_used: bool


def count_users(reader: Reader) -> int:
    return reader.connection.execute(select(func.count()).select_from(users)).scalar_one()


def user_names(reader: Reader) -> dict[str, str]:
    return {row.id: row.name for row in reader.connection.execute(select(users.c.id, users.c.name))}


def add_user(writer: Writer, user_id: str, name: str) -> None:
    writer.connection.execute(insert(users), {"id": user_id, "name": name, "created_at": writer.now})


def valid_tokens(reader: Reader) -> list[StoredToken]:
    """Every token that is not revoked, with what it lets through."""
    narrowed: dict[str, set[str]] = {}
    for token_id, project_id in reader.connection.execute(select(token_projects)):
        narrowed.setdefault(token_id, set()).add(project_id)
    rows = reader.connection.execute(select(tokens).where(tokens.c.revoked_at.is_(None)))
    return [
        StoredToken(
            row.digest,
            Principal(
                token_id=row.id,
                public_id=row.public_id,
                user_id=row.user_id,
                name=row.name,
                project_ids=frozenset(narrowed.get(row.id, ())) if row.narrowed else None,
                read_only=row.read_only,
                metrics=row.metrics,
                machine_id=row.machine_id,
                caller_role=row.caller_role,
                expires_at=row.expires_at,
            ),
            row.last_used_at is not None,
        )
        for row in rows
    ]


def add_token(writer: Writer, digest: bytes, principal: Principal) -> None:
    row = {
        "id": principal.token_id,
        "public_id": principal.public_id,
        "user_id": principal.user_id,
        "name": principal.name,
        "digest": digest,
        "narrowed": principal.project_ids is not None,
        "read_only": principal.read_only,
        "metrics": principal.metrics,
        "machine_id": principal.machine_id,
        "caller_role": principal.caller_role,
        "expires_at": principal.expires_at,
        "created_at": writer.now,
    }
    writer.connection.execute(insert(tokens), row)
    if principal.project_ids:
        pairs = [{"token_id": principal.token_id, "project_id": i} for i in sorted(principal.project_ids)]
        writer.connection.execute(insert(token_projects), pairs)


def set_last_use(writer: Writer, used: Mapping[str, Instant]) -> None:
    rows: Sequence[dict[str, object]] = [{"token": i, "at": at} for i, at in used.items()]
    if rows:
        statement = update(tokens).where(tokens.c.id == bindparam("token")).values(last_used_at=bindparam("at"))
        writer.connection.execute(statement, rows)


def uses(reader: Reader, user_id: str) -> dict[str, tuple[Instant, Instant | None]]:
    """(made at, last used at) of each token of the user that is not revoked, by id."""
    c = tokens.c
    query = select(c.id, c.created_at, c.last_used_at).where(c.user_id == user_id, c.revoked_at.is_(None))
    return {row.id: (row.created_at, row.last_used_at) for row in reader.connection.execute(query)}


def revoke(writer: Writer, token_id: str) -> bool:
    """Whether the token was not revoked before."""
    c = tokens.c
    statement = update(tokens).where(c.id == token_id, c.revoked_at.is_(None)).values(revoked_at=writer.now)
    return writer.connection.execute(statement).rowcount > 0


def add_link(writer: Writer, digest: bytes, user_id: str, expires_at: Instant) -> None:
    row = {"digest": digest, "user_id": user_id, "expires_at": expires_at}
    writer.connection.execute(insert(sign_in_links), row)


def spend_link(writer: Writer, digest: bytes) -> str | None:
    """The user that an unspent, unexpired link signs in; it is spent by this. None if there is none."""
    c = sign_in_links.c
    user_id = writer.connection.execute(select(c.user_id).where(c.digest == digest, c.expires_at > writer.now)).scalar()
    writer.connection.execute(delete(sign_in_links).where(c.digest == digest))
    return user_id


def add_browser_session(writer: Writer, digest: bytes, user_id: str) -> None:
    row = {"digest": digest, "user_id": user_id, "created_at": writer.now, "last_seen_at": writer.now}
    writer.connection.execute(insert(browser_sessions), row)


def browser_session(reader: Reader, digest: bytes) -> tuple[str, Instant, Instant] | None:
    """(user id, made at, last seen at) of a browser session."""
    c = browser_sessions.c
    row = reader.connection.execute(select(c.user_id, c.created_at, c.last_seen_at).where(c.digest == digest)).first()
    return None if row is None else (row.user_id, row.created_at, row.last_seen_at)


def see_browser_session(writer: Writer, digest: bytes) -> None:
    writer.connection.execute(
        update(browser_sessions).where(browser_sessions.c.digest == digest).values(last_seen_at=writer.now)
    )


def add_wall_view(writer: Writer, digest: bytes, token_id: str) -> None:
    writer.connection.execute(insert(wall_views), {"digest": digest, "token_id": token_id})


def wall_view(reader: Reader, digest: bytes) -> str | None:
    """The id of the token that a browser on a wall shows by."""
    token_id: str | None = reader.connection.execute(
        select(wall_views.c.token_id).where(wall_views.c.digest == digest)
    ).scalar()
    return token_id


def end_browser_session(writer: Writer, digest: bytes) -> None:
    writer.connection.execute(delete(browser_sessions).where(browser_sessions.c.digest == digest))
