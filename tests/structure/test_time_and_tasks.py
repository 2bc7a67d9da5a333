"""Nobody but `clock.py` reads time, and no task is started outside `background.py`.

ruff's banned-api knows both by the name of the import; this knows them by what is called, whatever it is called on.
"""

from __future__ import annotations

from tests.structure.sources import Source, calls, imports, product

_TIME = {
    "clock_gettime",
    "clock_gettime_ns",
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "time_ns",
    "today",
    "utcnow",
}
_TASKS = {"create_task", "ensure_future", "run_coroutine_threadsafe", "create_task_group", "TaskGroup", "start_soon"}
_DATABASE_TIME = ("CURRENT_TIMESTAMP", "julianday(", "unixepoch(", "strftime('%s'")


def time_breaches(source: Source) -> list[str]:
    if source.place == "clock.py" or source.room == "client":
        return []
    instead = "take `now` as a parameter; it comes from onduty.clock, once for a piece of work"
    found = [
        f"{source.place}:{line}: {name} reads time: {instead}"
        for line, name in imports(source)
        if name == "time" or name.startswith("time.")
    ]
    found += [
        f"{source.place}:{line}: {on}.{name}() reads time: {instead}"
        for line, on, name in calls(source)
        if name in _TIME or (name == "time" and on.endswith("loop")) or (name == "now" and on.endswith("datetime"))
    ]
    found += [f"{source.place}: {word} is a clock: {instead}" for word in _DATABASE_TIME if word in source.text]
    return found


def task_breaches(source: Source) -> list[str]:
    if source.place == "background.py" or source.room == "client":
        return []
    instead = "start it in onduty.background, by name, where its end is seen"
    return [
        f"{source.place}:{line}: {name}() starts a task: {instead}" for line, _, name in calls(source) if name in _TASKS
    ]


def test_the_clock_alone_reads_time() -> None:
    found = [breach for source in product() for breach in time_breaches(source)]
    assert not found, "\n".join(found)


def test_tasks_start_in_background_only() -> None:
    found = [breach for source in product() for breach in task_breaches(source)]
    assert not found, "\n".join(found)


def test_the_rules_can_fail() -> None:
    assert time_breaches(Source("sessions/model.py", "import time"))
    assert time_breaches(Source("sessions/model.py", "from time import time"))
    assert time_breaches(Source("sessions/model.py", "from datetime import datetime\nx = datetime.now()"))
    assert time_breaches(Source("sessions/presence.py", "due = asyncio.get_running_loop().time()\nloop.time()"))
    assert time_breaches(Source("sessions/store.py", "text('SELECT CURRENT_TIMESTAMP')"))
    assert not time_breaches(Source("clock.py", "import time"))
    assert not time_breaches(Source("sessions/service.py", "now = clock.now()"))
    assert task_breaches(Source("sessions/stream.py", "loop.create_task(work())"))
    assert task_breaches(Source("server.py", "async def f():\n async with anyio.create_task_group() as g: pass"))
    assert not task_breaches(Source("background.py", "loop.create_task(work())"))
