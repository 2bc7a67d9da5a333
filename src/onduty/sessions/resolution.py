"""Which session does a request belong to? The ladder of design.md 2.4, within a user and project."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from onduty.cleaning import origin_of
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Ended, Forbidden, NotFound, Problem
from onduty.identity.service import Principal
from onduty.projects.service import NOT_SEEN, Projects
from onduty.sessions import store
from onduty.sessions.fold import Registers, called
from onduty.sessions.model import AgentSession, end_of, is_told_by_client
from onduty.sessions.registry import Registry, fits, implicit_key_of
from onduty.sessions.service import NO_SESSION, Sessions, end, new_session, raise_to, stored, told_apart_now

_ALIASES_KEPT: Final = 50_000


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a request says it is: `named` a session, `aliases` the client's own ids, `pointed` is the wire id's."""

    principal: Principal
    project_id: str | None
    machine_id: str
    client_name: str = ""
    client_version: str | None = None
    named: str | None = None
    aliases: Sequence[str] = ()
    tool_use_id: str | None = None
    pointed: str | None = None

    @property
    def origin(self) -> str | None:
        return origin_of(self.client_name) or None


@dataclass(slots=True)
class Resolution:
    database: Database
    registry: Registry
    projects: Projects
    sessions: Sessions
    _aliases: dict[tuple[str, str, str | None, str], str] = field(default_factory=dict)

    async def of_call(self, claim: Claim, now: Instant) -> AgentSession:
        """The session of a tool call, which is its sign of life; made where there is none.

        NotFound or Ended where the request names a session that is unknown, somebody else's or ended: never the next
        rung then.
        """
        found, parent, claim = await self._found(claim, now)
        if found is not None and (found.id not in self.registry.sessions or _says_more(found, claim)):
            return await self.sessions.call(found.id, _new_words(found, claim))
        if found is not None:
            self.registry.record_call(found, now)
            return found
        return self.registry.adopt(await self.database.write(lambda writer: self._make(writer, claim, parent)))

    async def of_stream(self, claim: Claim, now: Instant, held: AgentSession | None) -> AgentSession | None:
        """The session that an open presence stream holds; made where there is none. It is no sign of life.

        None where the client's own, or the one that it `held`, has ended: only a tool call goes on from there.
        """
        try:
            found, parent, claim = await self._found(claim, now)
        except Problem:
            return None
        if found is not None and found.id in self.registry.sessions:
            return found
        if found is not None:
            settled = found
            return self.registry.adopt(await self.database.write(lambda writer: raise_to(writer, settled, Registers())))
        has_ended = parent is not None and claim.named is None
        if has_ended or (held is not None and end_of(held.registers) is not None):
            return None
        return self.registry.adopt(
            await self.database.write(lambda writer: self._make(writer, claim, parent, calls=False))
        )

    async def existing(self, claim: Claim, now: Instant) -> AgentSession | None:
        """The session of a request, without making or renewing one."""
        return (await self._found(claim, now))[0]

    async def _found(self, claim: Claim, now: Instant) -> tuple[AgentSession | None, str | None, Claim]:
        """The session by rungs 1 to 5, else None; whose child a new one would be; and the claim with its project."""
        parent: str | None = None
        if claim.named is not None:
            named = await self._named(claim)
            claim = replace(claim, project_id=named.project_id)
            if fits(named, claim.origin):
                return named, None, claim
            # A child process inherits the variable that names its parent's session.
            parent = named.id
        known = await self._by_own_id(claim)
        if known is not None and end_of(known.registers) is None:
            return known, None, claim
        if claim.aliases:
            # Nobody knows the id yet, or its session has ended and the client goes on in a child.
            return None, parent or (None if known is None else known.id), claim
        if claim.pointed is not None and claim.named is None:
            pointed = await self._read(claim.pointed)
            if pointed is not None and end_of(pointed.registers) is None and pointed.project_id == claim.project_id:
                return pointed, None, claim
            parent = parent or claim.pointed
        beside = self.registry.on_duty_in((claim.principal.token_id, claim.machine_id, claim.project_id), now)
        fitting = [session for session in beside if fits(session, claim.origin) and session.id != parent]
        if len(fitting) == 1 and parent is None:
            return fitting[0], None, claim
        implicit = self.registry.by_implicit_key.get(_key(claim))
        return (None if implicit is None else self.registry.sessions[implicit]), parent, claim

    async def _named(self, claim: Claim) -> AgentSession:
        session_id = (claim.named or "").lower()
        session = await self._read(session_id)
        if session is None or session.user_id != claim.principal.user_id:
            raise NotFound(NO_SESSION)
        if not self.sessions.sees(claim.principal, session):
            raise NotFound(NO_SESSION)
        if end_of(session.registers) is not None:
            raise Ended
        return session

    async def _by_own_id(self, claim: Claim) -> AgentSession | None:
        """Rung 2: a thread id, or a tool-use id that a hook announced. An ended one only where nothing alive fits."""
        user_id, ended = claim.principal.user_id, None
        for alias in claim.aliases:
            owner = await self._owner((user_id, claim.machine_id, claim.project_id, alias))
            session = None if owner is None else await self._read(owner)
            session = None if session is None else self._gone_on(session)
            if session is not None and end_of(session.registers) is None:
                return session
            ended = ended or session
        if claim.tool_use_id is None:
            return ended
        mine = (s for s in self.registry.of_project(claim.project_id) if s.user_id == user_id)
        open_here = (s for s in mine if claim.tool_use_id in s.registers.tools and not end_of(s.registers))
        return next(open_here, ended)

    def _gone_on(self, session: AgentSession) -> AgentSession:
        """The session itself or, where it has ended, the child in which its client went on, or that one's, and so on.

        An alias of the ended one goes on meaning that, for the events of it that are still to come.
        """
        while (end := end_of(session.registers)) is not None:
            beside = self.registry.of_project(session.project_id)
            children = [s for s in beside if s.parent_session_id == session.id and s.connected_at >= end.at]
            heirs = [s for s in children if s.told_apart and s.caller_origin == session.caller_origin]
            if not heirs:
                break
            session = max(heirs, key=lambda heir: heir.id)
        return session

    async def _owner(self, key: tuple[str, str, str | None, str]) -> str | None:
        """Whom an alias means. Once it means a session it goes on doing so, so the answer may be kept."""
        owner = self._aliases.get(key) or await self.database.read(lambda reader: store.alias_owner(reader, *key))
        if owner is not None and len(self._aliases) < _ALIASES_KEPT:
            self._aliases[key] = owner
        return owner

    def forget_sessions(self, ids: Collection[str]) -> None:
        """Sessions are gone, and with them what their clients' own ids meant."""
        self._aliases = {key: owner for key, owner in self._aliases.items() if owner not in ids}

    async def _read(self, session_id: str) -> AgentSession | None:
        session = self.registry.sessions.get(session_id)
        if session is not None:
            return session
        rows = await self.database.read(lambda reader: store.by_ids(reader, [session_id]))
        return rows[0] if rows else None

    async def move(self, session: AgentSession, claim: Claim, *, alone: bool) -> AgentSession:
        """Move a client to `claim.project_id`: an unbound session is bound there, any other ends (`moved`) for a child.

        One that something else speaks for (not `alone`) goes on where it is.
        """

        def work(writer: Writer) -> tuple[AgentSession, AgentSession]:
            old = stored(writer, session.id)
            if old.project_id is None and store.by_implicit_key(writer, _key(claim)) is None:
                key = _key(claim) if old.implicit_key is not None else None
                store.bind(writer, old, claim.project_id, key)
                bound = raise_to(writer, old, called(writer.now))
                return bound, bound
            if alone:
                end(writer, old, "moved")
            return stored(writer, old.id), self._make(writer, claim, old.id)

        old, new = await self.database.write(work)
        self.registry.adopt(old)
        return self.registry.adopt(new)

    def _make(self, writer: Writer, claim: Claim, parent: str | None, *, calls: bool = True) -> AgentSession:
        """`_made`, unless the caller lost token or project while this waited."""
        if not self.projects.may_record(claim.principal, claim.project_id):
            raise Forbidden(NOT_SEEN)
        return _made(writer, claim, parent, calls=calls)

    def is_alone(self, session: AgentSession) -> bool:
        """Whether neither a client's own reports nor a register speak for the session beside its wire ids."""
        return not is_told_by_client(session.registers)


def _key(claim: Claim) -> str:
    return implicit_key_of(claim.principal.token_id, claim.machine_id, claim.project_id, claim.origin or "")


def _made(writer: Writer, claim: Claim, parent: str | None, *, calls: bool = True) -> AgentSession:
    """The implicit session of the claim's key, or one of its own where the client told an id; made if need be."""
    words = {"caller_origin": claim.origin, "client_version": claim.client_version, "parent_session_id": parent}
    session = new_session(claim.principal, claim.project_id, claim.machine_id, writer.now, words)
    session.told_apart = bool(claim.aliases)
    session.implicit_key = None if session.told_apart else _key(claim)
    found = _known_here(writer, claim) if session.told_apart else store.by_implicit_key(writer, _key(claim))
    if found is not None:
        session = stored(writer, found)
        return raise_to(writer, session, called(writer.now)) if calls else session
    connected = told_apart_now(writer, session) if session.told_apart and parent is None else None
    if connected is not None:
        session = raise_to(writer, connected, called(writer.now)) if calls else connected
    else:
        session.registers = called(writer.now) if calls else Registers()
        store.create(writer, session)
    for alias in claim.aliases:
        store.set_alias(writer, session, alias)
    return session


def _known_here(writer: Writer, claim: Claim) -> str | None:
    """The session of the client's own id, if another call or an event has just made it."""
    place = (claim.principal.user_id, claim.machine_id, claim.project_id)
    owners = [store.alias_owner(writer, *place, alias) for alias in claim.aliases]
    return next((i for i in owners if i is not None and end_of(stored(writer, i).registers) is None), None)


def _new_words(session: AgentSession, claim: Claim) -> dict[str, str | None]:
    """What the request tells of the session that it does not know yet: origin and version."""
    words: dict[str, str | None] = {}
    if session.caller_origin is None and claim.origin is not None:
        words["caller_origin"] = claim.origin
    if claim.client_version is not None and session.client_version != claim.client_version:
        words["client_version"] = claim.client_version
    return words


def _says_more(session: AgentSession, claim: Claim) -> bool:
    return bool(_new_words(session, claim))
