from __future__ import annotations

from tests.access.world import world

__all__ = ["world"]
