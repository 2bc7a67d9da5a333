"""The page of who is on duty in a real Chromium: how big it is, how soon it stands, and what a change costs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from itertools import count as count_from
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure, Goal, below
from benchmarks.subjects import UNLIMITED, Bench
from onduty.clock import parse_rfc3339, rfc3339
from tests.browser.conftest import Person, launched
from tests.serving import Server

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

_FEW = 20
_AT = "2026-01-01T00:00:00Z"
_SAID = ("Rate limits per workspace", "Backfill of customer regions", "Cart totals with mixed tax rates")
_ROLES = ("backend", "frontend", "qa", "infra", "docs")
_CLIENTS = ("claude-code", "codex", "cursor", "copilot-cli")
_WORDS = count_from(1)
_KB = 1024
# Says something of a session as its own agent would, and answers in how many ms it stood on the page.
_SEEN = """async ([path, token, said]) => {
  const begun = performance.now();
  const seen = new Promise((resolve) => {
    const watcher = new MutationObserver(() => {
      if (![...document.querySelectorAll(".doing")].some((each) => each.textContent === said)) return;
      watcher.disconnect();
      requestAnimationFrame(() => resolve(performance.now() - begun));
    });
    watcher.observe(document.getElementById("on-duty"), { subtree: true, childList: true, characterData: true });
  });
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  await fetch(path, { method: "PATCH", headers, body: JSON.stringify({ said }) });
  return await seen;
}"""
_LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


def who_is_on_duty(bench: Bench) -> list[Figure]:
    """The page with 500 agents, beside the same page with 20."""
    many = bench.sized(500, 70)
    with bench.onduty(UNLIMITED) as server, _browser() as browser:
        few = _measured(bench, browser, server, _FEW)
        full = _measured(bench, browser, server, many)
    beside = f"the same with {_FEW}"
    rows = [
        ("compressed page", "kB", "packed", below(40, "kB", full["packed"])),
        ("page in Chromium until loaded", "ms", "loaded", Goal("", None)),
        ("script until then", "ms", "script", Goal("", None)),
        ("one row's update on the wire", "B", "update", Goal("≤ 2 KB", full["update"] <= 2 * _KB)),
        ("script an update", "ms", "script an update", Goal("", None)),
        ("a change until it is on screen", "ms", "seen", Goal("≤ 1 s", full["seen"] <= 1_000)),
    ]
    return [
        Figure("page", f"{what}, {many} agents", unit, full[key], few[key], beside, goal)
        for what, unit, key, goal in rows
    ]


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = launched(playwright)
        yield started
        started.close()


def _measured(bench: Bench, browser: Any, server: Server, count: int) -> dict[str, float]:
    project = _project(server)
    ids = _agents(server, project, count)
    person = Person(browser, server)
    path = f"/projects/{project}"
    page = person.sign_in(path)
    cdp = person.context.new_cdp_session(page)
    cdp.send("Performance.enable")
    loads = [_load(page, cdp) for _ in range(bench.rounds)]
    before = _script(cdp)
    seen = [_change(page, server, ids[number % len(ids)]) for number in range(bench.sized(20, 2))]
    script = (_script(cdp) - before) / len(seen)
    cookie = next(each["value"] for each in person.context.cookies() if each["name"] == "onduty")
    headers = {"Cookie": f"onduty={cookie}", "Accept-Encoding": "gzip"}
    packed = server.call("GET", path, token=None, headers=headers)
    update = _update_bytes(server, project, ids[0], headers)
    person.context.close()
    return {
        "packed": len(packed.body) / _KB,
        "loaded": statistics.median(loaded for loaded, _ in loads),
        "script": statistics.median(script for _, script in loads),
        "update": update,
        "script an update": script,
        "seen": statistics.median(seen),
    }


def _project(server: Server) -> str:
    body = {"name": f"project {next(_WORDS)}"}
    return str(server.call("POST", "/api/projects", token=server.owner_token, json=body).json["id"])


def _agents(server: Server, project: str, count: int) -> list[str]:
    """So many agents on 25 machines, as hooks tell them; the ids of their sessions."""
    found: list[str] = []
    for machine in range(25):
        numbers = range(machine, count, 25)
        events = [_prompt(number) for number in numbers]
        batch = {
            "sent_at": _AT,
            "project_id": project,
            "machine_id": f"machine-{machine:02}",
            "caller_origin": _CLIENTS[machine % len(_CLIENTS)],
            "client_version": "2.1.330",
            "events": events,
        }
        if events:
            answer = server.call("POST", "/api/agent-events", token=server.owner_token, json=batch, timeout=60)
            found += [result["session_id"] for result in answer.json["results"]]
    for number, session in enumerate(found):
        body = {
            "said": _SAID[number % len(_SAID)],
            "ticket": f"CHK-{number}",
            "caller_role": _ROLES[number % len(_ROLES)],
        }
        server.call("PATCH", f"/api/agent-sessions/{session}", token=server.owner_token, json=body)
    return found


def _prompt(number: int) -> dict[str, str]:
    told = {"session": f"conversation-{number}", "branch": f"feature/{number * 7919 % 1000}", "folder": "checkout"}
    # Whole seconds would compress too well.
    return {"id": f"prompt-{number}", "kind": "prompt", "at": rfc3339(parse_rfc3339(_AT) - number * 397), **told}


def _load(page: Page, cdp: CDPSession) -> tuple[float, float]:
    page.reload(wait_until="load")
    page.wait_for_timeout(300)
    return page.evaluate(_LOADED), _script(cdp)


def _script(cdp: CDPSession) -> float:
    """Milliseconds that scripts ran in this page since it was opened."""
    metrics = {each["name"]: each["value"] for each in cdp.send("Performance.getMetrics")["metrics"]}
    return float(metrics["ScriptDuration"]) * 1000


def _change(page: Page, server: Server, session: str) -> float:
    said = f"Rate limits per workspace, part {next(_WORDS)}"
    return float(page.evaluate(_SEEN, [f"/api/agent-sessions/{session}", server.owner_token, said]))


def _update_bytes(server: Server, project: str, session: str, headers: dict[str, str]) -> float:
    """What one change of an ordinary row is on the stream of a browser."""
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request("GET", f"/live?project={project}", headers={"Cookie": headers["Cookie"]})
        stream = connection.getresponse()
        while not stream.readline().startswith(b"data:"):
            pass
        body = {"said": f"Rate limits per workspace, part {next(_WORDS)}", "ticket": "CHK-214"}
        server.call("PATCH", f"/api/agent-sessions/{session}", token=server.owner_token, json=body)
        event: list[bytes] = []
        while b"event: session\n" not in event:
            event = []
            while (line := stream.readline()) != b"\n":
                event.append(line)
        return float(sum(map(len, event)) + 1)
