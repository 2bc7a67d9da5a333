"""Which process runs which session: an agent is one running process, whatever its client calls the conversation."""

from collections.abc import Sequence
from dataclasses import dataclass

from onduty.database.transaction import Writer
from onduty.sessions import store
from onduty.sessions.model import AgentSession, end_of


@dataclass(frozen=True, slots=True)
class Process:
    """A process as its machine tells it: no two share boot, process id and start. `parents`: nearest first."""

    boot: str
    pid: int
    started: str
    parents: Sequence["Process"] = ()

    @property
    def alias(self) -> str:
        """Under which its session stands among the aliases. No client's own begins with a space: those are cleaned."""
        return f" {self.boot} {self.pid} {self.started}"


@dataclass(slots=True)
class Running:
    """What runs on one machine of a user in one project, inside a transaction."""

    writer: Writer
    user_id: str
    machine_id: str
    project_id: str | None

    def session_of(self, process: Process) -> str | None:
        """The session that the process runs, ended or not."""
        if self.project_id is not None:
            return store.alias_owner(self.writer, self.user_id, self.machine_id, self.project_id, process.alias)
        owners = store.alias_owners(self.writer, self.user_id, self.machine_id, process.alias)
        return owners[0][1] if owners else None

    def parent_of(self, process: Process) -> str | None:
        """The session of the nearest process above it that runs one which has not ended."""
        for above in process.parents:
            found = self.session_of(above)
            rows = [] if found is None else store.by_ids(self.writer, [found])
            if rows and end_of(rows[0].registers) is None:
                return rows[0].id
        return None

    def runs(self, session: AgentSession, process: Process, *, opens: bool) -> AgentSession | None:
        """The process runs this session. Where it opens it and ran another one that has not ended, that is answered."""
        before = self.session_of(process)
        if before == session.id:
            return None
        if before is None or opens:
            store.move_alias(self.writer, session, process.alias)
        if before is None or not opens:
            return None
        left = store.by_ids(self.writer, [before])[0]
        return left if end_of(left.registers) is None else None
