"""The lists of what we have none of, and how long a client may keep any list.

A client that asks for prompts or resources gets an empty list that it may keep, not an error each time. Resources are
not declared: a client that reads of them loads tools of its own for them into every agent's context.
"""

from typing import Any, Final

from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.lowlevel.server import Server
from mcp_types import (
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    PromptsCapability,
    ServerCapabilities,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

# What is listed changes with the server's version only, but a token that only reads is offered fewer tools.
_KEPT: Final = CacheHint(ttl_ms=3_600_000, scope="private")
HINTS: Final[dict[CacheableMethod, CacheHint]] = {
    "server/discover": _KEPT,
    "tools/list": _KEPT,
    "prompts/list": _KEPT,
    "resources/list": _KEPT,
    "resources/templates/list": _KEPT,
}


class ToolServer(Server[Any]):
    """The SDK's server, which declares of its lists only what a client is to ask for."""

    def get_capabilities(self, *given: Any, protocol_version: str | None = None, **named: Any) -> ServerCapabilities:
        every = super().get_capabilities(*given, protocol_version=protocol_version, **named)
        prompts = PromptsCapability() if protocol_version in MODERN_PROTOCOL_VERSIONS else None
        return every.model_copy(update={"resources": None, "prompts": prompts})


async def no_prompts(_: Any, __: PaginatedRequestParams | None) -> ListPromptsResult:
    return ListPromptsResult(prompts=[])


async def no_resources(_: Any, __: PaginatedRequestParams | None) -> ListResourcesResult:
    return ListResourcesResult(resources=[])


async def no_templates(_: Any, __: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(resource_templates=[])
