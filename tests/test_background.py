"""Loops: none dies unseen, none outlives the process, and none waits when it has been told."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from onduty.background import Background, Threads, Wake, start_thread
from onduty.clock import boot_ms, sleep
from onduty.errors import Unavailable

SOON = 5.0  # never reached where things work


def run(test: Coroutine[Any, Any, None]) -> None:
    """A test in a loop of its own that cannot hang."""
    asyncio.run(asyncio.wait_for(test, SOON))


def test_a_wait_ends_when_notified() -> None:
    async def test() -> None:
        background, wake, woken = Background(), Wake(), asyncio.Event()

        async def waiter() -> None:
            assert await wake.wait(None)
            woken.set()

        background.spawn("waiter", waiter())
        await sleep(0.01)
        assert not woken.is_set()
        wake.notify()
        await woken.wait()
        await background.stop()

    run(test())


def test_a_wait_ends_when_due() -> None:
    async def test() -> None:
        before = boot_ms()
        assert await Wake().wait(0.05)
        assert boot_ms() - before >= 45
        assert await Wake().wait(0)
        assert await Wake().wait(-1)

    run(test())


def test_a_notice_before_the_wait_is_not_lost_and_counts_once() -> None:
    async def test() -> None:
        wake = Wake()
        wake.notify()
        wake.notify()
        assert await wake.wait(None)
        before = boot_ms()
        assert await wake.wait(0.05)
        assert boot_ms() - before >= 45

    run(test())


def test_all_who_wait_are_woken() -> None:
    async def test() -> None:
        background, wake = Background(), Wake()
        woken: list[int] = []

        async def waiter(number: int) -> None:
            await wake.wait()
            woken.append(number)

        for number in range(3):
            background.spawn("waiter", waiter(number))
        await sleep(0.01)
        wake.notify()
        assert await background.stop() == []
        assert sorted(woken) == [0, 1, 2]

    run(test())


def test_stopping_ends_this_wait_and_every_later_one() -> None:
    async def test() -> None:
        background = Background()
        wake, turns, flushed = background.wake(), 0, False

        async def loop() -> None:
            nonlocal turns, flushed
            while await wake.wait(None):
                turns += 1
            flushed = True

        background.start("loop", loop)
        await sleep(0.01)
        assert await background.stop() == []
        assert (turns, flushed, background.failed) == (0, True, None)
        assert not await wake.wait(None)
        assert not await background.wake().wait(None), "a wait made while stopping does not hold it up"

    run(test())


def test_a_cancelled_wait_is_cancelled() -> None:
    """A stream whose client has gone is cancelled in its wait; swallowing that would keep it for ever."""

    async def test() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await Wake().wait(60)

    run(test())


async def raises() -> None:
    raise OSError("disk")


async def returns() -> None:
    return


async def is_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("loop", "kind"), [(raises, OSError), (returns, type(None)), (is_cancelled, asyncio.CancelledError)]
)
def test_a_loop_that_dies_is_named_and_told(
    loop: Callable[[], Coroutine[Any, Any, None]], kind: type, caplog: pytest.LogCaptureFixture
) -> None:
    """However it ends: by an exception, by returning, by being cancelled from outside."""

    async def test() -> None:
        told: list[tuple[str, BaseException | None]] = []
        background = Background(lambda name, error: told.append((name, error)))
        background.start("flush", loop)
        await sleep(0.01)
        assert background.failed == "flush"
        assert [(name, type(error)) for name, error in told] == [("flush", kind)]
        await background.stop()

    run(test())
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.CRITICAL, "the loop 'flush' died")
    ]


def test_the_first_loop_that_died_stays_named() -> None:
    async def test() -> None:
        background = Background()
        background.start("first", raises)
        await sleep(0.01)
        background.start("second", raises)
        await sleep(0.01)
        assert background.failed == "first"
        await background.stop()

    run(test())


def test_a_last_flush_that_fails_is_seen() -> None:
    """A server that could not write everything must not leave as if it had."""

    async def test() -> None:
        background = Background()
        wake = background.wake()

        async def loop() -> None:
            await wake.wait()
            raise OSError("disk full")

        background.start("flush", loop)
        await sleep(0.01)
        await background.stop()
        assert background.failed == "flush"

    run(test())


def test_a_failed_one_off_task_is_logged_and_the_process_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        background = Background()
        background.spawn("notice", raises())
        await sleep(0.01)
        assert background.failed is None
        assert await background.stop() == []

    run(test())
    assert [record.getMessage() for record in caplog.records] == ["the task 'notice' failed"]


def test_stop_awaits_what_is_under_way_and_what_that_starts() -> None:
    async def test() -> None:
        background, done = Background(), []

        async def second() -> None:
            await sleep(0.02)
            done.append("second")

        async def first() -> None:
            await sleep(0.02)
            background.spawn("second", second())
            done.append("first")

        background.spawn("first", first())
        assert await background.stop() == []
        assert done == ["first", "second"]

    run(test())


def test_stop_keeps_its_deadline_and_says_who_was_late(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        background = Background()

        async def stuck() -> None:
            await sleep(60)

        background.start("stuck", stuck)
        await sleep(0.01)
        before = boot_ms()
        assert await background.stop(0.05) == ["stuck"]
        assert boot_ms() - before < 2000
        assert background.failed is None

    run(test())
    assert [record.getMessage() for record in caplog.records] == ["cancelled at stop: stuck"]


def test_nine_hundred_waits_stop_at_once() -> None:
    async def test() -> None:
        background = Background()

        async def stream() -> None:
            wake = background.wake()
            while await wake.wait(15):
                pass

        for number in range(900):
            background.spawn(f"stream {number}", stream())
        await sleep(0.05)
        before = boot_ms()
        assert await background.stop() == []
        assert boot_ms() - before < 1000

    run(test())


def test_a_wait_that_nobody_holds_is_forgotten() -> None:
    """Each stream has its own: they may not pile up as streams come and go."""

    async def test() -> None:
        background = Background()
        for _ in range(100):
            background.wake()
        assert len(background._wakes) <= 1

    run(test())


def test_a_thread_has_a_name_and_does_not_keep_the_process_alive() -> None:
    ran: list[bool] = []
    thread = start_thread("writer", lambda: ran.append(True))
    thread.join(SOON)
    assert (ran, thread.name, thread.daemon) == ([True], "writer", True)


def test_threads_work_two_at_a_time_and_refuse_where_too_many_wait() -> None:
    async def test() -> None:
        background, threads, go_on = Background(), Threads("work", 2, 3), threading.Event()
        under_way: list[int] = []
        done: list[int] = []

        async def ask(number: int) -> None:
            def work() -> int:
                under_way.append(number)
                go_on.wait(SOON)
                return number

            done.append(await threads.run(work))

        for number in range(5):
            background.spawn("ask", ask(number))
        while len(under_way) < 2:
            await sleep(0.001)
        with pytest.raises(Unavailable):
            await threads.run(lambda: 0)
        assert sorted(under_way) == [0, 1], "the third waits for its turn"
        go_on.set()
        assert await background.stop() == []
        assert sorted(done) == [0, 1, 2, 3, 4]
        assert await threads.run(lambda: 5) == 5
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)

    run(test())
