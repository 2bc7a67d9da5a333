"""A session's states as a picture: bars on one line and the times under it, placed in per cent of its width. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from onduty.clock import Instant
from onduty.sessions.history.model import Span
from onduty.sessions.history.words import length, moment
from onduty.sessions.model import HOUR_MS, MINUTE_MS, State

# Top and height in pixels: the height tells states apart where colours do not.
_SHAPES: Final[dict[State, tuple[float, float]]] = {
    "working": (9, 12),
    "waiting": (4, 22),
    "idle": (13.5, 3),
    "quiet": (9, 12),
    "lost": (14.5, 1),
}
_DAY_MS: Final = 24 * HOUR_MS
_STEPS: Final = (
    *(n * 1_000 for n in (5, 10, 30)),
    *(n * MINUTE_MS for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR_MS for n in (1, 2, 3, 6, 12)),
    *(n * _DAY_MS for n in (1, 2, 7, 14)),
)
_TICKS: Final = 8
_LAST_TICK: Final = 93.0
_THINNEST: Final = 0.15


@dataclass(frozen=True, slots=True)
class Bar:
    """A state; `x` and `width` are per cent of the line, `y` and `height` pixels."""

    state: State
    x: str
    width: str
    y: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    bars: Sequence[Bar]
    ticks: Sequence[tuple[str, str]]


def lane(spans: Sequence[Span], zone: tzinfo) -> Lane:
    """The picture of these states. What ended is not drawn, and of a last silence at most a third of the picture."""
    drawn = [span for span in spans if span.state in _SHAPES]
    if not drawn:
        return Lane((), ())
    began, until = drawn[0].began, drawn[-1].ended
    if drawn[-1].state == "lost":
        until = min(until, drawn[-1].began + max(HOUR_MS, (drawn[-1].began - began) // 2))
    whole = max(until - began, 1)
    bars = [_bar(span, began, min(span.ended, until), whole, zone) for span in drawn]
    return Lane(bars, list(_ticks(began, whole, zone)))


def _bar(span: Span, began: Instant, until: Instant, whole: int, zone: tzinfo) -> Bar:
    y, height = _SHAPES[span.state]
    width = max(_percent(until - span.began, whole), _THINNEST)
    words = f"{moment(span.began, span.ended, zone)} to {moment(span.ended, span.ended, zone)}"
    title = f"{span.state.capitalize()} {words}, {length(span.lasted_ms)}"
    return Bar(span.state, f"{_percent(span.began - began, whole):.2f}%", f"{width:.2f}%", y, height, title)


def _ticks(began: Instant, whole: int, zone: tzinfo) -> Iterator[tuple[str, str]]:
    step = next((step for step in _STEPS if whole / step <= _TICKS), _STEPS[-1])
    offset = datetime.fromtimestamp(began / 1000, UTC).astimezone(zone).utcoffset() or timedelta()
    at = began - (began + offset // timedelta(milliseconds=1)) % step
    while (x := _percent(at - began, whole)) <= _LAST_TICK:
        if x >= 0:
            local = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
            yield f"{x:.2f}%", _label(local, step)
        at += step


def _label(local: datetime, step: int) -> str:
    if step >= _DAY_MS:
        return f"{local.day} {local:%b}"
    return f"{local:%H:%M:%S}" if step < MINUTE_MS else f"{local:%H:%M}"


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole
