"""How often a token may ask: a bucket each, full at the start, with `now` passed in."""

from dataclasses import dataclass, field
from typing import Final

from onduty.clock import Instant

_MINUTE_MS: Final = 60_000
_KEPT: Final = 20_000


@dataclass(slots=True)
class Limits:
    """Buckets by key. `a_minute` requests flow in a minute, `burst` fit in; 0 a minute is no limit."""

    a_minute: int
    burst: float
    _buckets: dict[str, tuple[float, Instant]] = field(default_factory=dict)

    def take(self, key: str, now: Instant) -> float:
        """Take one: 0 if there was one, else in how many seconds there is one again."""
        if not self.a_minute:
            return 0
        left, at = self._buckets.get(key, (self.burst, now))
        left = min(self.burst, left + max(0, now - at) * self.a_minute / _MINUTE_MS)
        if left < 1:
            return (1 - left) * 60 / self.a_minute
        if len(self._buckets) >= _KEPT and key not in self._buckets:
            self._forget(now)
        self._buckets[key] = (left - 1, now)
        return 0

    def _forget(self, now: Instant) -> None:
        """Drop the buckets that are full again."""
        full_after = self.burst * _MINUTE_MS / self.a_minute
        self._buckets = {key: value for key, value in self._buckets.items() if now - value[1] < full_after}
