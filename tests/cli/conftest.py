from __future__ import annotations

from tests.cli.far_side import far_side, home, onduty

__all__ = ["far_side", "home", "onduty"]
