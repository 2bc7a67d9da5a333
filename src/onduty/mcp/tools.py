"""The MCP tools: few, the same for everybody, and each with its REST twin behind it."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from mcp.server.lowlevel.server import Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    TextContent,
    Tool,
    ToolAnnotations,
)

import onduty
from onduty.cleaning import BRANCH, NAME, REF, ROLE, SAID, TICKET, slug, text
from onduty.errors import Forbidden, Internal, Invalid, Problem
from onduty.log import request_id
from onduty.mcp.answering import on_duty, shown_session
from onduty.mcp.arriving import Arriving, Call
from onduty.mcp.lists import HINTS, ToolServer, no_prompts, no_resources, no_templates
from onduty.mcp.shapes import INPUTS, OUTPUTS

_log = logging.getLogger(__name__)

INSTRUCTIONS: Final = (
    "Onduty shows which agents are at work on a project. Call set_status with `said` (one line) when you begin "
    "something new, and who_is_on_duty before you touch what another agent may be working on."
)
_ABOUT: Final = {
    "whoami": "Your own Onduty session: its id, project, machine, user and state.",
    "who_is_on_duty": "The agents at work on this project: in which role, on which machine, doing what, since when.",
    "use_project": "Say which project you work on, by id or name. Moves you there if you were on another.",
    "set_status": "Say what you do: your role, one line in your own words, a ticket, a branch. null clears a field.",
    "end_session": "Say that you are done. Your session ends and is off duty.",
}
_READS: Final = frozenset({"whoami", "who_is_on_duty"})
_WORDS: Final = {"caller_role": ROLE, "said": SAID, "ticket": TICKET, "branch": BRANCH}

Arguments = Mapping[str, Any]
Handler = Callable[[Call, Arguments], Awaitable[dict[str, Any]]]


def server_of(arriving: Arriving) -> Server[Any]:
    """The SDK's server with our tools. Each finds its `Call` in the request's scope, where the layer put it."""
    tools = _Tools(arriving)
    every = [_tool(name) for name in _ABOUT]

    async def list_tools(context: Any, _: PaginatedRequestParams | None) -> ListToolsResult:
        read_only = _call(context).principal.read_only
        return ListToolsResult(tools=[tool for tool in every if tool.name in _READS or not read_only])

    async def call_tool(context: Any, params: CallToolRequestParams) -> CallToolResult:
        return await tools.answer(_call(context), params.name, params.arguments or {})

    server = ToolServer(
        "onduty",
        version=onduty.__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=no_prompts,
        on_list_resources=no_resources,
        on_list_resource_templates=no_templates,
        on_subscriptions_listen=_never_reached,
        cache_hints=HINTS,
        get_tool_input_schema=INPUTS.get,
    )
    # Tracing spans for a tracer that is not there.
    server.middleware.clear()
    return server


def _tool(name: str) -> Tool:
    reads = name in _READS
    hints = ToolAnnotations(
        read_only_hint=reads, destructive_hint=name == "end_session", idempotent_hint=True, open_world_hint=False
    )
    return Tool(
        name=name, description=_ABOUT[name], input_schema=INPUTS[name], output_schema=OUTPUTS[name], annotations=hints
    )


def _call(context: Any) -> Call:
    call: Call = context.request.scope["onduty.call"]
    return call


async def _never_reached(_: Any, __: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
    """Registered because `server/discover` says `listChanged` only then; the layer answers every such request."""
    raise Forbidden("Listening is answered elsewhere")


class _Tools:
    def __init__(self, arriving: Arriving) -> None:
        self.arriving = arriving
        self._handlers: dict[str, Handler] = {
            "whoami": self._whoami,
            "who_is_on_duty": self._who_is_on_duty,
            "use_project": self._use_project,
            "set_status": self._set_status,
            "end_session": self._end_session,
        }

    async def answer(self, call: Call, name: str, arguments: Arguments) -> CallToolResult:
        """Run a tool. What is refused is an answer that says why, for the agent to read."""
        handler = self._handlers.get(name)
        try:
            if handler is None or (call.principal.read_only and name not in _READS):
                raise Invalid.at("name", "is no tool that is offered here")
            named = arguments.get("session")
            if named is not None:
                call = replace(call, named=_text(named, "session", REF))
            answer = await handler(call, arguments)
        except Problem as problem:
            return _refused(problem)
        except Exception:
            # The SDK would log it, which is silenced, and tell the agent what it says.
            _log.exception("the tool %s failed", name)
            return _refused(Internal(request_id.get()))
        said = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        return CallToolResult(content=[TextContent(text=said)], structured_content=answer)

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


def _refused(problem: Problem) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=f"{problem.code}: {problem.message}")], is_error=True)


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
