"""What the MCP tools do: few, and each with its REST twin behind it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from onduty.cleaning import BRANCH, NAME, REF, ROLE, SAID, TICKET, slug, text
from onduty.errors import Internal, Invalid, Problem
from onduty.log import request_id
from onduty.mcp.answering import on_duty, shown_session
from onduty.mcp.arriving import Arriving, Call

_log = logging.getLogger(__name__)

READS: Final = frozenset({"whoami", "who_is_on_duty"})
_WORDS: Final = {"caller_role": ROLE, "said": SAID, "ticket": TICKET, "branch": BRANCH}

Arguments = Mapping[str, Any]
Handler = Callable[[Call, Arguments], Awaitable[dict[str, Any]]]


class Answered(NamedTuple):
    """What a tool says: as text, and as the structure of its output schema; None where it is refused."""

    text: str
    structure: dict[str, Any] | None


class Tools:
    def __init__(self, arriving: Arriving) -> None:
        self.arriving = arriving
        self._handlers: dict[str, Handler] = {
            "whoami": self._whoami,
            "who_is_on_duty": self._who_is_on_duty,
            "use_project": self._use_project,
            "set_status": self._set_status,
            "end_session": self._end_session,
        }

    async def answer(self, call: Call, name: str, arguments: Arguments) -> Answered:
        """Run a tool. What is refused is an answer that says why, for the agent to read."""
        handler = self._handlers.get(name)
        try:
            if handler is None or (call.principal.read_only and name not in READS):
                raise Invalid.at("name", "is no tool that is offered here")
            named = arguments.get("session")
            if named is not None:
                call = replace(call, named=_text(named, "session", REF))
            answer = await handler(call, arguments)
        except Problem as problem:
            return _refused(problem)
        except Exception:
            # The agent reads which line of the log it is, and no more.
            _log.exception("the tool %s failed", name)
            return _refused(Internal(request_id.get()))
        return Answered(msgspec.json.encode(answer).decode(), answer)

    async def _whoami(self, call: Call, _: Arguments) -> dict[str, Any]:
        return shown_session(call, await self.arriving.session(call), self.arriving)

    async def _who_is_on_duty(self, call: Call, _: Arguments) -> dict[str, Any]:
        session = await self.arriving.session(call)
        project_id = session.project_id if session is not None else self.arriving.claim(call).project_id
        if project_id is None:
            raise Invalid.at("project", "is not known: call use_project first")
        self.arriving.projects.role(call.principal, project_id)
        return on_duty(self.arriving.sessions.registry, project_id, call.now, session.id if session else None)

    async def _use_project(self, call: Call, arguments: Arguments) -> dict[str, Any]:
        named = _text(arguments.get("project"), "project", NAME)
        project = self.arriving.projects.named(call.principal, named)
        session = await self.arriving.change_project(call, project.id)
        return shown_session(call, session, self.arriving)

    async def _set_status(self, call: Call, arguments: Arguments) -> dict[str, Any]:
        words = {name: _word(arguments[name], name) for name in _WORDS if name in arguments}
        session = await self.arriving.must(call)
        if words:
            session = await self.arriving.sessions.call(session.id, words)
        return shown_session(call, session, self.arriving)

    async def _end_session(self, call: Call, _: Arguments) -> dict[str, Any]:
        return shown_session(call, await self.arriving.end(call), self.arriving)


def _refused(problem: Problem) -> Answered:
    return Answered(f"{problem.code}: {problem.message}", None)


def _text(value: object, at: str, limit: int) -> str:
    if not isinstance(value, str):
        raise Invalid.at(at, "must be text")
    return text(value, at, limit, required=True)


def _word(value: object, at: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid.at(at, "must be text or null")
    return (slug(value, at, BRANCH) if at == "branch" else text(value, at, _WORDS[at])) or None
