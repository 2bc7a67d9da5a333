"""The only reader of time.

Everything else is given `now`. Time is the boot clock plus an offset, so that a step of the wall clock changes
nothing until `Clock.adopt` takes it over, and a sleep of the computer counts as time that has passed.
"""

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Instant = int
"""Milliseconds since the epoch, UTC, on the server's line."""

STEP_MS = 250
"""A wall clock that is off by no more than this is left alone: network time slews that much all the time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Instant = -62_135_596_800_000  # 0001-01-01T00:00:00.000Z
_LAST: Instant = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_BOOT_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", -1))
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)


def boot_ms() -> int:
    """Milliseconds on a clock that never goes back and, where the system has such a one, counts sleep."""
    nanoseconds = time.monotonic_ns() if _BOOT_CLOCK < 0 else time.clock_gettime_ns(_BOOT_CLOCK)
    return nanoseconds // 1_000_000


def wall_ms() -> Instant:
    """The computer's wall clock, which a person or network time may step."""
    return time.time_ns() // 1_000_000


class Clock:
    """The process's time: the boot clock and an offset, which `wall` sets (milliseconds since the epoch)."""

    def __init__(self, wall: Callable[[], Instant] = wall_ms) -> None:
        self._wall = wall
        self._offset = wall() - boot_ms()

    def now(self) -> Instant:
        """The instant it is."""
        return boot_ms() + self._offset

    def adopt(self, reading: Instant | None = None) -> int:
        """Take over a step of more than `STEP_MS`: the step in ms (negative: back), 0 if there was none.

        `reading` is the instant it is by another clock that counts instead of the wall clock, the database's.
        """
        step = (self._wall() if reading is None else reading) - self.now()
        if abs(step) <= STEP_MS:
            return 0
        self._offset += step
        return step


async def sleep(seconds: float) -> None:
    """Wait. A loop that has to end with the process waits on `background.Wake` instead."""
    await asyncio.sleep(seconds)


def rfc3339(instant: Instant) -> str:
    """`2026-11-24T08:07:00.000Z`; outside the years 1 to 9999, where clients' differences may reach, their edge."""
    moment = _EPOCH + timedelta(milliseconds=min(max(instant, _FIRST), _LAST))
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def parse_rfc3339(text: str) -> Instant:
    """The instant that RFC 3339 text with an offset names, further digits of the second dropped.

    A leap second (only where UTC has one, at 23:59:60) is the last millisecond before it. Anything else is a
    ValueError, also what `datetime.fromisoformat` takes beyond the RFC.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("must be a time like 2026-11-24T08:07:00.000Z, with an offset")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError:
        raise ValueError("must be a time that the calendar has") from None
    milliseconds = 999 if leap else int(((match[7] or "") + "000")[:3])
    instant = (moment - _EPOCH) // timedelta(milliseconds=1) + milliseconds - _offset_ms(match[8], match[9], match[10])
    if leap and instant % 86_400_000 != 86_399_999:
        raise ValueError("must be a time that the calendar has")
    return instant


def _offset_ms(sign: str | None, hours: str, minutes: str) -> int:
    if sign is None:
        return 0
    offset = (int(hours) * 60 + int(minutes)) * 60_000
    return -offset if sign == "-" else offset
