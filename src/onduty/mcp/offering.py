"""The tools as the SDK's server offers them: the same for everybody, but that who only reads is offered fewer."""

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
from onduty.errors import Forbidden
from onduty.mcp.arriving import Call
from onduty.mcp.lists import HINTS, ToolServer, no_prompts, no_resources, no_templates
from onduty.mcp.shapes import INPUTS, OUTPUTS
from onduty.mcp.tools import READS, Tools

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


def server_of(tools: Tools) -> Server[Any]:
    """The SDK's server with our tools. Each finds its `Call` in the request's scope, where the layer put it."""
    every = [_tool(name) for name in _ABOUT]

    async def list_tools(context: Any, _: PaginatedRequestParams | None) -> ListToolsResult:
        read_only = _call(context).principal.read_only
        return ListToolsResult(tools=[tool for tool in every if tool.name in READS or not read_only])

    async def call_tool(context: Any, params: CallToolRequestParams) -> CallToolResult:
        answered = await tools.answer(_call(context), params.name, params.arguments or {})
        return CallToolResult(
            content=[TextContent(text=answered.text)],
            structured_content=answered.structure,
            is_error=answered.structure is None,
        )

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
    reads = name in READS
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
