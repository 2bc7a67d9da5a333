"""Wire ids: minted, found, pointed and retired; and which project a client without one chose last."""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import uuid_utils

from onduty.background import Wake
from onduty.clock import Instant
from onduty.database.engine import Database
from onduty.database.transaction import Writer
from onduty.errors import Problem
from onduty.identity.service import Principal
from onduty.mcp import store
from onduty.mcp.model import Wire, is_forgotten

_TEND_SECONDS: Final = 60.0
_NOTED_AFTER_MS: Final = 60_000

Client = tuple[str, str | None]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Wires:
    database: Database
    _known: dict[str, Wire] = field(default_factory=dict)
    _requests: dict[str, Instant] = field(default_factory=dict)
    _chosen: dict[store.Chosen, str] = field(default_factory=dict)

    async def load(self) -> None:
        """Read the chosen projects; wire ids are read when they speak."""
        self._chosen = await self.database.read(store.all_chosen)

    async def mint(
        self,
        principal: Principal,
        machine_id: str,
        project_id: str | None,
        client: tuple[str, str | None],
        now: Instant,
    ) -> Wire:
        """A new wire id for a client's (name, version), stored before this returns."""
        name, version = client
        wire = Wire(
            id=str(uuid_utils.uuid4()),
            token_id=principal.token_id,
            machine_id=machine_id,
            project_id=project_id,
            session_id=None,
            client_name=name,
            client_version=version,
            created_at=now,
            last_request_at=now,
        )
        await self.database.write(lambda writer: store.add_wire(writer, wire))
        self._known[wire.id] = wire
        return wire

    async def find(self, principal: Principal, wire_id: str, now: Instant) -> Wire | None:
        """The token's own wire id of that name, None if it is unknown, deleted, forgotten or another token's."""
        wire = self._known.get(wire_id)
        if wire is None:
            wire = await self.database.read(lambda reader: store.wire(reader, wire_id))
            if wire is None:
                return None
            wire = self._known.setdefault(wire_id, wire)
        if wire.token_id != principal.token_id or is_forgotten(wire, now):
            return None
        if now - wire.last_request_at > _NOTED_AFTER_MS:
            self._requests[wire_id] = now
        wire.last_request_at = max(wire.last_request_at, now)
        return wire

    async def point(self, wire: Wire, session_id: str, project_id: str | None) -> None:
        """Let the wire id point to a session from now on; stored before this returns."""
        if (wire.session_id, wire.project_id) != (session_id, project_id):
            await self.database.write(lambda writer: store.point(writer, wire.id, session_id, project_id))
            wire.session_id, wire.project_id = session_id, project_id

    async def speaks_alone(self, wire_id: str | None, session_id: str) -> bool:
        """Whether no other wire id points to the session."""
        return not await self.database.read(lambda reader: store.others_pointing(reader, session_id, wire_id or ""))

    async def retire(self, wire: Wire) -> None:
        """Forget a wire id: requests on it are answered with 404 from now on."""
        await self.database.write(lambda writer: store.remove(writer, wire.id))
        self._known.pop(wire.id, None)

    def chosen(self, principal: Principal, machine_id: str, client_name: str) -> str | None:
        """The project that `use_project` named last for this token, machine and client name."""
        return self._chosen.get((principal.token_id, machine_id, client_name))

    async def choose(self, principal: Principal, machine_id: str, client_name: str, project_id: str) -> None:
        """Keep what `use_project` named; stored before this returns."""
        key = (principal.token_id, machine_id, client_name)
        await self.database.write(lambda writer: store.choose(writer, key, project_id))
        self._chosen[key] = project_id

    def forget_project(self, project_id: str) -> None:
        """A project is gone, and with it the wire ids and choices that named it."""
        self._known = {i: wire for i, wire in self._known.items() if wire.project_id != project_id}
        self._chosen = {key: chosen for key, chosen in self._chosen.items() if chosen != project_id}

    def forget_sessions(self, ids: Collection[str]) -> None:
        """Sessions are gone, and with them the wire ids that point to them."""
        self._known = {i: wire for i, wire in self._known.items() if wire.session_id not in ids}

    async def run(self, wake: Wake) -> None:
        """The loop that writes when wire ids were last used, and forgets the old ones."""
        while await wake.wait(_TEND_SECONDS):
            await self._tend()
        await self._tend()

    async def _tend(self) -> None:
        requests, self._requests = self._requests, {}

        def work(writer: Writer) -> Instant:
            store.note_requests(writer, requests)
            store.forget(writer)
            return writer.now

        try:
            now = await self.database.write(work)
            self._known = {i: wire for i, wire in self._known.items() if not is_forgotten(wire, now)}
        except Problem as problem:
            self._requests = requests | self._requests
            _log.warning("wire ids cannot be tended: %s", problem.message)
