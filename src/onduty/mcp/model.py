"""What is known of a wire id: an `Mcp-Session-Id` that points to an agent session and is not one."""

from dataclasses import dataclass
from typing import Final

from onduty.clock import Instant

FORGOTTEN_UNUSED_MS: Final = 24 * 3600 * 1000
FORGOTTEN_MS: Final = 30 * 24 * 3600 * 1000


@dataclass(slots=True, eq=False)
class Wire:
    """`session_id` is what it points to, from the first tool call on; `held` what its presence stream holds."""

    id: str
    token_id: str
    machine_id: str
    project_id: str | None
    session_id: str | None
    client_name: str
    client_version: str | None
    created_at: Instant
    last_request_at: Instant
    held: str | None = None


def is_forgotten(wire: Wire, now: Instant) -> bool:
    """Without a tool call after 24 h, others 30 days after their last request (design.md 2.4)."""
    silent_ms = now - wire.last_request_at
    return silent_ms > (FORGOTTEN_UNUSED_MS if wire.session_id is None else FORGOTTEN_MS)
