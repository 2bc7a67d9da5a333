"""What may happen to one session: it is registered, looked at, acts, says something of itself, ends."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import uuid_utils

from onduty.audit.service import About, record
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.database.unit import CANNOT_WRITE
from onduty.errors import Ended, Forbidden, Invalid, NotFound, Unavailable
from onduty.identity.service import Principal
from onduty.projects.service import Projects, may_end_any
from onduty.sessions import store
from onduty.sessions.fold import Registers, called, ended_here, registered
from onduty.sessions.model import ON_DUTY, STATES, AgentSession, Verdict, end_of, judge, known, session_id_of
from onduty.sessions.registry import Registry, implicit_key_of

__all__ = [
    "NO_SESSION",
    "ON_DUTY",
    "STATES",
    "AgentSession",
    "Registration",
    "Registry",
    "Sessions",
    "Verdict",
    "end",
    "end_of",
    "judge",
    "new_session",
    "raise_to",
    "remove_some",
    "revoke",
    "stored",
    "told_apart_now",
]

NO_SESSION = "There is no such agent session"


@dataclass(frozen=True, slots=True)
class Registration:
    """What a register names. `words` holds what it sets (None clears); what is absent stays as it was."""

    machine_id: str
    client_ref: str | None
    parent: str | None
    words: Mapping[str, str | None]


@dataclass(slots=True)
class Sessions:
    database: Database
    registry: Registry
    projects: Projects

    async def register(self, principal: Principal, project_id: str, wanted: Registration) -> tuple[AgentSession, bool]:
        """Register a session, or re-open the one that this `client_ref` means; whether it is new is answered too.

        Forbidden for who may not act in the project; Invalid at `parent` for one that is not the caller's there.
        """
        self.projects.acting(principal, project_id)

        def work(writer: Writer) -> tuple[AgentSession, bool]:
            # Once more, for the caller may have lost the project while this waited.
            self.projects.acting(principal, project_id)
            found = None
            if wanted.client_ref is not None:
                found = store.alias_owner(writer, principal.user_id, wanted.machine_id, project_id, wanted.client_ref)
            words = dict(wanted.words)
            if wanted.parent is not None:
                words["parent_session_id"] = _parent(writer, principal, project_id, wanted.parent, found)
            if found is None:
                session = new_session(principal, project_id, wanted.machine_id, writer.now, words)
                session.registers = registered(session.registers, writer.now)
                store.create(writer, session)
                if wanted.client_ref is not None:
                    store.set_alias(writer, session, wanted.client_ref)
                return session, True
            session = stored(writer, found)
            store.set_words(writer, found, {**words, "token_id": principal.token_id})
            return raise_to(writer, session, registered(session.registers, writer.now)), False

        row, is_new = await self.database.write(work)
        return self.registry.adopt(row), is_new

    async def find(self, principal: Principal, session_id: str) -> AgentSession:
        """A session that the caller may see. NotFound for any other, whether it exists or not."""
        session = self.registry.sessions.get(session_id)
        if session is None:
            rows = await self.database.read(lambda reader: store.by_ids(reader, [session_id]))
            session = rows[0] if rows else None
        if session is None or not known(session.registers) or not self.sees(principal, session):
            raise NotFound(NO_SESSION)
        return session

    def sees(self, principal: Principal, session: AgentSession) -> bool:
        """Whether the caller may see the session: in their projects all, and of the unbound their own."""
        if session.project_id is not None:
            return self.projects.sees(principal, session.project_id) is not None
        narrowed = principal.project_ids is not None
        return session.user_id == principal.user_id and (not narrowed or session.token_id == principal.token_id)

    def acts_as(self, principal: Principal, session: AgentSession) -> None:
        """Forbidden unless the session is the caller's own and they may act in its project."""
        if session.project_id is not None:
            self.projects.acting(principal, session.project_id)
        elif principal.read_only:
            raise Forbidden("This token is read-only")
        if session.user_id != principal.user_id:
            raise Forbidden("This agent session is somebody else's")

    def may_end(self, principal: Principal, session: AgentSession) -> None:
        """Forbidden unless the caller acts as the session, or owns its project."""
        role = None if session.project_id is None else self.projects.role(principal, session.project_id)
        if role is None or not may_end_any(role, principal.read_only):
            self.acts_as(principal, session)

    async def change(self, principal: Principal, session_id: str, words: Mapping[str, str | None]) -> AgentSession:
        """Set what a session says of itself (None clears); that is activity too. Ended for one that has ended."""
        self.acts_as(principal, await self.find(principal, session_id))
        return await self.call(session_id, words)

    async def act(self, principal: Principal, session_id: str, now: Instant) -> None:
        """Record activity: in memory at once and written behind.

        Ended for a session that has ended, Unavailable while the database cannot be written.
        """
        session = await self.find(principal, session_id)
        self.acts_as(principal, session)
        if end_of(session.registers) is not None:
            raise Ended
        if not self.database.writable:
            # Written behind, but not answered as recorded while nobody knows when it can be.
            raise Unavailable(CANNOT_WRITE)
        if session_id in self.registry.sessions:
            self.registry.record_call(session, now)
        else:
            await self.call(session_id, {})

    async def call(self, session_id: str, words: Mapping[str, str | None]) -> AgentSession:
        """Commit a call of a session with what it says of itself. Ended, and nothing changed, if it has ended."""

        def work(writer: Writer) -> AgentSession:
            if end_of(stored(writer, session_id).registers) is not None:
                raise Ended
            store.set_words(writer, session_id, words)
            store.raise_registers(writer, session_id, called(writer.now))
            return stored(writer, session_id)

        return self.registry.adopt(await self.database.write(work))

    async def end(self, principal: Principal, session_id: str, reason: str) -> None:
        """End the caller's own session, or as an owner anybody's. One that has ended stays as it is."""
        self.may_end(principal, await self.find(principal, session_id))
        await self.finish(session_id, reason, principal)

    async def finish(self, session_id: str, reason: str, by: Principal | None = None) -> AgentSession:
        """Commit an end made at the server; who may is decided already. That of another's session is noted."""

        def work(writer: Writer) -> AgentSession:
            session = stored(writer, session_id)
            if (
                by is not None
                and by.user_id != session.user_id
                and session.project_id
                and not end_of(session.registers)
            ):
                about = About(session_id, session.user_id, session.caller_origin)
                record(writer, [session.project_id], "session_ended", by, about)
            end(writer, session, reason)
            return stored(writer, session_id)

        return self.registry.adopt(await self.database.write(work))

    def adopt(self, rows: Iterable[AgentSession]) -> None:
        """Take rows that were just committed into memory."""
        for row in rows:
            self.registry.adopt(row)

    def forget_project(self, project_id: str) -> None:
        """Let the sessions of a project that is gone leave memory."""
        for session in list(self.registry.of_project(project_id)):
            self.registry.drop(session)


def _parent(writer: Writer, principal: Principal, project_id: str, parent: str, child: str | None) -> str:
    found = store.by_ids(writer, [parent.lower()])
    if not found or found[0].user_id != principal.user_id or found[0].project_id != project_id or parent == child:
        raise Invalid.at("parent", "must be an agent session of yours in this project")
    return found[0].id


def new_session(
    principal: Principal, project_id: str | None, machine_id: str, now: Instant, words: Mapping[str, str | None]
) -> AgentSession:
    """A session that nobody has stored yet. Its role is the token's where none is named."""
    session = AgentSession(
        id=session_id_of(UUID(int=uuid_utils.uuid7().int)),
        project_id=project_id,
        user_id=principal.user_id,
        token_id=principal.token_id,
        machine_id=machine_id,
        connected_at=now,
        caller_role=principal.caller_role,
    )
    for word, value in words.items():
        setattr(session, word, value)
    return session


def told_apart_now(writer: Writer, like: AgentSession) -> AgentSession | None:
    """The implicit session of the same key, told apart from now on, if all that is known of it is an open stream.

    A client that tells an id of its own for the first time is the one that has been connected there: Codex connects
    as it starts, and tells its id with the first prompt. `like` is what would be made otherwise.
    """
    found = store.by_implicit_key(
        writer, implicit_key_of(like.token_id, like.machine_id, like.project_id, like.caller_origin or "")
    )
    session = None if found is None else stored(writer, found)
    if session is None or replace(session.registers, life=0) != Registers():
        return None
    words = {"caller_role": like.caller_role or session.caller_role, "parent_session_id": like.parent_session_id}
    store.set_words(writer, session.id, {**words, "told_apart": True, "implicit_key": None})
    return stored(writer, session.id)


def stored(writer: Writer, session_id: str) -> AgentSession:
    """The session as this transaction sees it. NotFound where there is none any more."""
    rows = store.by_ids(writer, [session_id])
    if not rows:
        raise NotFound(NO_SESSION)
    return rows[0]


def end(writer: Writer, session: AgentSession, reason: str) -> None:
    """Write an end made at the server, once: one that has ended stays as it is."""
    if end_of(session.registers) is None:
        store.raise_registers(writer, session.id, ended_here(session.registers, writer.now, reason))
        store.release_implicit(writer, session.id)


def raise_to(writer: Writer, session: AgentSession, delta: Registers) -> AgentSession:
    """Join a delta into what is stored, and answer the session as it is then."""
    store.raise_registers(writer, session.id, delta)
    return stored(writer, session.id)


def revoke(
    writer: Writer, user_id: str, *, token_id: str | None = None, project_id: str | None = None
) -> list[AgentSession]:
    """End a user's sessions that speak through a token, or in a project; to be adopted after the commit.

    Those that have settled are left: nothing was heard of them for 24 hours, and nothing more will be.
    """
    ids = store.live_of(writer, user_id, token_id=token_id, project_id=project_id)
    going = [session for session in store.by_ids(writer, ids) if end_of(session.registers) is None]
    for session in going:
        end(writer, session, "revoked")
    return store.by_ids(writer, [session.id for session in going])


def remove_some(writer: Writer, project_id: str, limit: int) -> int:
    """Remove so many sessions of a project that is gone, inside the caller's transaction; how many that were."""
    return store.remove_some(writer, project_id, limit)
