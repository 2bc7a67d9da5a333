"""From an MCP request to the session that it belongs to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from onduty.cleaning import REF, text
from onduty.clock import Instant
from onduty.errors import Forbidden, NotFound
from onduty.identity.service import Principal
from onduty.mcp.model import Wire
from onduty.mcp.service import Wires
from onduty.projects.service import Projects
from onduty.sessions.resolution import Claim, Resolution
from onduty.sessions.service import NO_SESSION, AgentSession, Sessions, end_of

# Where clients put ids of their own into a call's `_meta`: Claude Code the tool use that its hooks announce too,
# Codex session and thread.
_TOOL_USE: Final = "claudecode/toolUseId"
_THREADS: Final = ("threadId", "thread_id")
_CODEX_TURN: Final = "x-codex-turn-metadata"


@dataclass(slots=True)
class Call:
    """One MCP request: who asks, from where, over which wire id, and which project it `asked` for by name."""

    principal: Principal
    now: Instant
    machine_id: str
    asked: str | None
    client_name: str
    client_version: str | None
    named: str | None = None
    wire: Wire | None = None
    meta: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Arriving:
    sessions: Sessions
    resolution: Resolution
    projects: Projects
    wires: Wires

    def claim(self, call: Call) -> Claim:
        """What the request says of who it is, as it is just now."""
        wire, meta = call.wire, call.meta or {}
        tool_use = meta.get(_TOOL_USE)
        return Claim(
            principal=call.principal,
            project_id=self._project(call),
            machine_id=call.machine_id,
            client_name=call.client_name,
            client_version=call.client_version,
            named=call.named,
            aliases=_own_ids(meta),
            tool_use_id=tool_use if isinstance(tool_use, str) else None,
            pointed=None if wire is None else wire.session_id,
        )

    def _project(self, call: Call) -> str | None:
        if call.asked is not None:
            return call.asked
        if call.wire is not None and call.wire.project_id is not None:
            return call.wire.project_id
        chosen = self.wires.chosen(call.principal, call.machine_id, call.client_name)
        return self.projects.only_one(call.principal) or chosen

    def may_record(self, call: Call) -> bool:
        """Whether anything of the call is recorded: nothing for a read-only token or a viewer."""
        return self.projects.may_record(call.principal, self._project(call))

    def may_listen(self, call: Call, now: Instant) -> bool:
        """Whether a stream of the call may stay open: its token is taken still, and its project seen."""
        principal, project_id = call.principal, self._project(call)
        if principal.token_id in self.projects.withdrawn or principal.expired(now):
            return False
        return project_id is None or self.projects.sees(principal, project_id) is not None

    async def session(self, call: Call) -> AgentSession | None:
        """The session of a tool call, which is its sign of life. None where nothing of the call is recorded."""
        claim = self.claim(call)
        if claim.project_id is not None:
            self.projects.role(call.principal, claim.project_id)
        if not self.may_record(call):
            return None if call.named is None else await self.resolution.existing(claim, call.now)
        if self._moves(call, claim):
            session = await self._moved(call, claim)
        else:
            session = await self.resolution.of_call(claim, call.now)
        if call.wire is not None and session.id != call.wire.session_id:
            await self.wires.point(call.wire, session.id, session.project_id)
        return session

    async def must(self, call: Call) -> AgentSession:
        """The session of a tool call that writes. Forbidden where the caller may not."""
        session = await self.session(call) if self.may_record(call) else None
        if session is None:
            raise Forbidden("This token only reads here")
        return session

    async def change_project(self, call: Call, project_id: str) -> AgentSession:
        """The client goes on in that project: what was unbound is bound there, any other ends for a child there."""
        self.projects.acting(call.principal, project_id)
        before = await self.resolution.existing(self.claim(call), call.now)
        await self.wires.choose(call.principal, call.machine_id, call.client_name, project_id)
        call = replace(call, asked=project_id)
        if before is None or before.project_id == project_id or end_of(before.registers) is not None:
            return await self.must(call)
        session = await self._leave(call, before)
        if call.wire is not None:
            await self.wires.point(call.wire, session.id, session.project_id)
        return session

    async def end(self, call: Call) -> AgentSession:
        """End the session of the request. NotFound where it has none."""
        session = await self.resolution.existing(self.claim(call), call.now)
        if session is None:
            raise NotFound(NO_SESSION)
        self.sessions.acts_as(call.principal, session)
        return await self.sessions.finish(session.id, "end_session")

    async def hang_up(self, wire: Wire, is_held_beside: Callable[[str, Wire], bool]) -> None:
        """The client deletes its wire id: its session ends too if nothing else, no stream either, speaks for it."""
        session_id = wire.session_id or wire.held
        session = self.sessions.registry.sessions.get(session_id or "")
        alone = session is not None and not is_held_beside(session.id, wire)
        if session is not None and alone and await self._is_alone(wire, session):
            await self.sessions.finish(session.id, "exit")
        await self.wires.retire(wire)

    async def _is_alone(self, wire: Wire | None, session: AgentSession) -> bool:
        if not self.resolution.is_alone(session):
            return False
        return await self.wires.speaks_alone(None if wire is None else wire.id, session.id)

    def _moves(self, call: Call, claim: Claim) -> bool:
        wire = call.wire
        return wire is not None and wire.session_id is not None and claim.project_id != wire.project_id

    async def _moved(self, call: Call, claim: Claim) -> AgentSession:
        before = await self.resolution.existing(
            replace(claim, project_id=None if call.wire is None else call.wire.project_id), call.now
        )
        if before is None or end_of(before.registers) is not None or before.project_id == claim.project_id:
            return await self.resolution.of_call(claim, call.now)
        return await self._leave(call, before)

    async def _leave(self, call: Call, before: AgentSession) -> AgentSession:
        alone = await self._is_alone(call.wire, before)
        return await self.resolution.move(before, self.claim(call), alone=alone)


def _own_ids(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """The client's own ids for its session: a sub-agent of Codex has a thread of its own, and its session's id."""
    turn = meta.get(_CODEX_TURN)
    turn = turn if isinstance(turn, dict) else {}
    found = [turn.get("session_id"), *(meta.get(name) for name in _THREADS), turn.get("thread_id")]
    return tuple(dict.fromkeys(text(word, "_meta", REF) for word in found if isinstance(word, str) and word))
