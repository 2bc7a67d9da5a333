"""All SQL about users, tokens, sign-in links and browser sessions. Secrets come here as digests."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, or_, select, update

from onduty.clock import Instant
from onduty.database.transaction import Reader, Writer
from onduty.identity.model import Account, Browser, Place, Principal
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


def set_name(writer: Writer, user_id: str, name: str) -> None:
    writer.connection.execute(update(users).where(users.c.id == user_id).values(name=name))


def account(reader: Reader, user_id: str) -> Account:
    return _accounts(reader, users.c.id == user_id)[0]


def account_by_email(reader: Reader, email: str) -> Account | None:
    """Whose address it is, folded as it is kept."""
    return next(iter(_accounts(reader, users.c.email == email)), None)


def _accounts(reader: Reader, where: ColumnElement[bool]) -> list[Account]:
    c = users.c
    rows = reader.connection.execute(select(c.id, c.email, c.password_hash).where(where))
    return [Account(row.id, row.email, row.password_hash) for row in rows]


def set_account(writer: Writer, before: Account, email: str, password_hash: str) -> bool:
    """Whether the person was still signing in as `before` says; else nothing is written."""
    c = users.c
    same = (c.email.is_not_distinct_from(before.email), c.password_hash.is_not_distinct_from(before.password_hash))
    statement = update(users).where(c.id == before.user_id, *same)
    return writer.connection.execute(statement.values(email=email, password_hash=password_hash)).rowcount > 0


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


def add_browser(writer: Writer, digest: bytes, browser: Browser) -> None:
    row = {
        "digest": digest,
        "id": browser.id,
        "user_id": browser.user_id,
        "browser": browser.place.browser,
        "address": browser.place.address,
        "by_password": browser.by_password,
        "created_at": browser.created_at,
        "last_seen_at": browser.last_seen_at,
    }
    writer.connection.execute(insert(browser_sessions), row)


def browser(reader: Reader, digest: bytes) -> Browser | None:
    """The browser session of a cookie."""
    return next(iter(_browsers(reader, browser_sessions.c.digest == digest).values()), None)


def browsers_of(reader: Reader, user_id: str) -> dict[bytes, Browser]:
    """A person's browser sessions, those that are too old included, by the digests of their cookies."""
    return _browsers(reader, browser_sessions.c.user_id == user_id)


def _browsers(reader: Reader, where: ColumnElement[bool]) -> dict[bytes, Browser]:
    return {row.digest: _browser(row) for row in reader.connection.execute(select(browser_sessions).where(where))}


def _browser(row: Any) -> Browser:
    place = Place(row.browser, row.address)
    return Browser(row.id, row.user_id, place, row.by_password, row.created_at, row.last_seen_at)


def see_browser(writer: Writer, digest: bytes, address: str | None) -> None:
    """Note that a browser session is in use, and from where if that is known."""
    seen: dict[str, object] = {"last_seen_at": writer.now} | ({"address": address} if address else {})
    writer.connection.execute(update(browser_sessions).where(browser_sessions.c.digest == digest).values(seen))


def end_browsers(writer: Writer, digests: Sequence[bytes]) -> None:
    writer.connection.execute(delete(browser_sessions).where(browser_sessions.c.digest.in_(digests)))


def forget_browsers(writer: Writer, user_id: str, seen_before: Instant, made_before: Instant) -> None:
    """Remove a person's browser sessions that nobody has seen since, or that were made before."""
    c = browser_sessions.c
    too_old = or_(c.last_seen_at < seen_before, c.created_at < made_before)
    writer.connection.execute(delete(browser_sessions).where(c.user_id == user_id, too_old))


def add_wall_view(writer: Writer, digest: bytes, token_id: str) -> None:
    writer.connection.execute(insert(wall_views), {"digest": digest, "token_id": token_id})


def wall_view(reader: Reader, digest: bytes) -> str | None:
    """The id of the token that a browser on a wall shows by."""
    token_id: str | None = reader.connection.execute(
        select(wall_views.c.token_id).where(wall_views.c.digest == digest)
    ).scalar()
    return token_id
