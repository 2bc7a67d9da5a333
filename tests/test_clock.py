"""Time: a step of the wall clock reaches nothing until it is adopted, and RFC 3339 is read strictly."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onduty.clock import STEP_MS, Clock, boot_ms, parse_rfc3339, rfc3339, sleep, wall_ms

SLACK_MS = 200  # a busy machine may stop us between two readings
YEARS = st.integers(-62_135_596_800_000, 253_402_300_799_999)


class Wall:
    """A wall clock that a test steps."""

    def __init__(self) -> None:
        self.step = 0

    def __call__(self) -> int:
        return wall_ms() + self.step


def test_a_clock_starts_at_the_wall_clock() -> None:
    assert abs(Clock().now() - wall_ms()) < SLACK_MS


def test_the_boot_clock_never_goes_back() -> None:
    readings = [boot_ms() for _ in range(1000)]
    assert readings == sorted(readings)


def test_sleep_passes_on_the_boot_clock() -> None:
    before = boot_ms()
    asyncio.run(sleep(0.05))
    assert boot_ms() - before >= 49


@pytest.mark.parametrize("step", [3_600_000, -3_600_000])
def test_a_step_changes_nothing_until_it_is_adopted(step: int) -> None:
    wall = Wall()
    clock = Clock(wall)
    before = clock.now()
    wall.step = step
    assert 0 <= clock.now() - before < SLACK_MS
    assert abs(clock.adopt() - step) < SLACK_MS
    assert abs(clock.now() - before - step) < SLACK_MS
    assert clock.adopt() == 0, "a step is adopted once"


@pytest.mark.parametrize("sign", [1, -1])
def test_what_network_time_slews_is_no_step(sign: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is inclusive: 250 ms is left alone, 251 ms is adopted."""
    monkeypatch.setattr("onduty.clock.boot_ms", lambda: 5_000)
    clock = Clock(lambda: 1_000_000)
    assert clock.adopt(1_000_000 + sign * STEP_MS) == 0
    assert clock.now() == 1_000_000
    assert clock.adopt(1_000_000 + sign * (STEP_MS + 1)) == sign * (STEP_MS + 1)
    assert clock.now() == 1_000_000 + sign * (STEP_MS + 1)


def test_the_form_that_the_contract_shows() -> None:
    assert rfc3339(1_795_507_620_000) == "2026-11-24T08:07:00.000Z"


@given(YEARS)
def test_what_is_written_reads_as_the_same_instant(instant: int) -> None:
    assert parse_rfc3339(rfc3339(instant)) == instant


@given(st.integers())
def test_every_instant_can_be_written(instant: int) -> None:
    """A client may send the year 1 beside the year 9999; the difference must not become a 500."""
    assert len(rfc3339(instant)) == 24


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001
    st.integers(-1439, 1439),
    st.sampled_from("Tt"),
)
def test_offsets_are_taken_off(local: datetime, minutes: int, letter: str) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    text = f"{local.isoformat(timespec='microseconds').replace('T', letter)}{sign}{hours:02}:{rest:02}"
    assert parse_rfc3339(text) == expected


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-24t08:07:00z", "2026-11-24T08:07:00.000Z"),
        ("2026-11-24T08:07:00.1Z", "2026-11-24T08:07:00.100Z"),
        ("2026-11-24T08:07:00.1239999999Z", "2026-11-24T08:07:00.123Z"),
        ("2026-11-24T08:07:00-00:00", "2026-11-24T08:07:00.000Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
        ("2017-01-01T00:59:60.7+01:00", "2016-12-31T23:59:59.999Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
    ],
)
def test_what_the_rfc_allows(text: str, same: str) -> None:
    assert rfc3339(parse_rfc3339(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-24",
        "2026-11-24T08:07:00",
        "2026-11-24 08:07:00Z",
        "2026-11-24T08:07Z",
        "2026-W48-2T08:07:00Z",
        "20261124T080700Z",
        "2026-11-24T08:07:00,5Z",
        "2026-11-24T08:07:00.Z",
        "2026-11-24T08:07:00+0100",
        "2026-11-24T08:07:00+24:00",
        "2026-11-24T08:07:00+01:60",
        "2026-11-24T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-11-24T08:07:60Z",
        "2016-12-31T23:59:60+01:00",
        "2026-11-24T08:07:61Z",
        "2026-11-24T08:07:00Z\n",
        " 2026-11-24T08:07:00Z",
        "٢٠٢٦-11-24T08:07:00Z",
        "1795507620000",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time"):
        parse_rfc3339(text)


@given(st.text())
def test_reading_never_fails_in_another_way(text: str) -> None:
    try:
        parse_rfc3339(text)
    except ValueError:
        pass
