"""Watching who is on duty, in a real browser against a real server."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from onduty.clock import parse_rfc3339, rfc3339, wall_ms
from onduty.wording import moment
from tests.browser.conftest import People, Person
from tests.browser.reporting import WITHIN_MS, announced, end, new_project, register, tell
from tests.serving import Server

pytestmark = pytest.mark.browser


def rows(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("#groups .row", "rows => rows.map(row => row.id.slice(8))")
    return found


@contextmanager
def paused(server: Server) -> Iterator[None]:
    """The server's process stands still."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_session_comes_waits_is_answered_and_ends_before_the_viewer_s_eyes(person: Person) -> None:
    server = person.server
    project = new_project(server)
    page = person.sign_in(f"/projects/{project}")
    expect(page.locator("h1")).to_contain_text("Nobody on duty")
    expect(page.locator("#nobody")).to_contain_text("No agent has reported")
    page.evaluate("window.loadedOnce = true")
    session = register(server, project, caller_role="qa", branch="fix/x")
    row = page.locator(f"#session-{session}")
    expect(row).to_be_visible(timeout=WITHIN_MS)
    for word in ("Working", "Called", "· qa", "Claude Code", "fix/x"):
        expect(row).to_contain_text(word)
    expect(page.locator("h1")).to_have_text("1 on duty", use_inner_text=True)
    expect(page.locator(".tally")).to_contain_text("0 waiting for a person")
    expect(page.locator("#nobody")).to_be_hidden()

    tell(server, project, session, "waiting", tool="Bash", tool_id="t1")
    ask = page.locator(f"#ask-{session}")
    expect(ask).to_be_visible(timeout=WITHIN_MS)
    expect(ask).to_contain_text("Waiting for you")
    expect(ask).to_contain_text("Asks to use Bash")
    expect(page.locator("#said")).to_have_text("1 waiting for you.")
    assert page.title().startswith("(1) ")
    assert page.get_attribute("#icon", "href") == "/static/mark-waiting.svg"

    tell(server, project, session, "answered")
    expect(row).to_be_visible(timeout=WITHIN_MS)
    expect(ask).to_have_count(0)
    assert not page.title().startswith("(")
    end(server, session)
    expect(row).to_have_count(0, timeout=WITHIN_MS)
    expect(page.locator("h1")).to_contain_text("Nobody on duty")
    expect(page.locator(".empty")).to_contain_text("The last sign of life came")
    assert page.evaluate("window.loadedOnce"), "the page was loaded again"


def test_a_session_goes_quiet_by_time_alone(person: Person) -> None:
    """An open turn is working until it was silent for 300 s: nothing is sent when that is over."""
    project = new_project(person.server)
    page = person.sign_in(f"/projects/{project}")
    session = announced(person.server, project, 297_000)
    row = page.locator(f"#session-{session}")
    expect(row).to_contain_text("Working", timeout=WITHIN_MS)
    expect(row).to_contain_text("Quiet", timeout=8_000)
    expect(row).to_contain_text("No sign of life for 5 min, turn still open")
    expect(page.locator(".tally [data-count=quiet]")).to_have_text("1 quiet", use_inner_text=True)


def test_the_lost_stand_apart_and_count_not(person: Person) -> None:
    project = new_project(person.server)
    page = person.sign_in(f"/projects/{project}")
    tell(person.server, project, "an alias", "prompt", ago_ms=31 * 60_000)
    lost = page.locator("#lost .row")
    expect(lost).to_contain_text("Lost", timeout=WITHIN_MS)
    expect(lost).to_contain_text("No sign of life for 31 min, turn still open")
    expect(lost).to_contain_text("on laptop")
    expect(page.locator("h1")).to_have_text("Nobody on duty", use_inner_text=True)
    expect(page.locator(".tally [data-count=lost]")).to_have_text("1 lost", use_inner_text=True)
    page.reload()
    expect(lost).to_be_visible()
    tell(person.server, project, "an alias", "prompt")
    expect(page.locator("#groups .row")).to_contain_text("Working", timeout=WITHIN_MS)
    expect(lost).to_have_count(0)
    expect(page.locator("#lost")).to_be_hidden()


def test_two_who_watch_see_the_same_change(people: People) -> None:
    one, other = people(), people()
    project = new_project(one.server)
    pages = [one.sign_in(f"/projects/{project}"), other.sign_in(f"/projects/{project}")]
    session = register(one.server, project)
    for page in pages:
        expect(page.locator(f"#session-{session}")).to_be_visible(timeout=WITHIN_MS)


def test_what_did_not_change_is_left_alone_and_focus_stays(person: Person) -> None:
    project = new_project(person.server)
    first = register(person.server, project)
    page = person.sign_in(f"/projects/{project}")
    page.evaluate("id => { window.kept = document.getElementById(id) }", f"session-{first}")
    page.focus(f"#session-{first} a")
    tell(person.server, project, first, "prompt")
    expect(page.locator(f"#session-{first} .why")).to_contain_text("Turn open", timeout=WITHIN_MS)
    register(person.server, project, machine_id="another")
    expect(page.locator("h1")).to_contain_text("2 on duty", timeout=WITHIN_MS)
    assert page.evaluate("id => window.kept === document.getElementById(id)", f"session-{first}")
    assert page.evaluate("id => document.activeElement.closest('.row').id === id", f"session-{first}")


def test_rows_stand_by_who_came_first_and_a_child_under_its_parent(person: Person) -> None:
    project = new_project(person.server)
    page = person.sign_in(f"/projects/{project}")
    parent, other = register(person.server, project), register(person.server, project)
    child = register(person.server, project, parent=parent)
    expect(page.locator(".row")).to_have_count(3, timeout=WITHIN_MS)
    expect(page.locator(f"#session-{child}")).to_have_attribute("data-depth", "1")
    assert rows(page) == [parent, child, other]
    tell(person.server, project, other, "prompt")
    tell(person.server, project, parent, "waiting", tool="Bash", tool_id="t")
    expect(page.locator(f"#ask-{parent}")).to_be_visible(timeout=WITHIN_MS)
    assert rows(page) == [other, child]
    tell(person.server, project, parent, "answered")
    expect(page.locator(f"#session-{parent}")).to_be_visible(timeout=WITHIN_MS)
    live = rows(page)
    page.reload()
    assert live == rows(page) == [parent, child, other]


def test_nothing_moves_under_the_pointer_and_two_seconds_after_it_does(person: Person) -> None:
    project = new_project(person.server)
    first, second = register(person.server, project), register(person.server, project)
    page = person.sign_in(f"/projects/{project}")
    page.hover(f"#session-{first}")
    tell(person.server, project, second, "waiting", tool="Bash", tool_id="t")
    row = page.locator(f"#session-{second}")
    expect(row).to_have_attribute("data-state", "waiting", timeout=WITHIN_MS)
    expect(row).to_contain_text("Asks to use Bash (")
    expect(page.locator("#held")).to_have_text("Order held while you point here. One row will move up.")
    expect(page.locator(".tally")).to_contain_text("1 waiting for a person")
    assert page.title().startswith("(1) ")
    third = register(person.server, project)
    end(person.server, first)
    expect(page.locator("#held")).to_contain_text("3 rows will move.", timeout=WITHIN_MS)
    expect(page.locator(f"#session-{first}")).to_contain_text("No longer on duty")
    assert rows(page) == [first, second]
    page.mouse.move(5, 5)
    expect(page.locator(f"#ask-{second}")).to_be_visible(timeout=WITHIN_MS)
    assert rows(page) == [third]
    expect(page.locator("#held")).to_be_hidden()


def test_a_filter_and_a_group_never_hide_a_wait(person: Person) -> None:
    project = new_project(person.server)
    backend = register(person.server, project, caller_role="backend", machine_id="atlas")
    idle = register(person.server, project, caller_role="qa")
    waits = register(person.server, project, caller_role="docs")
    tell(person.server, project, backend, "prompt")
    tell(person.server, project, waits, "waiting", tool="Bash", tool_id="t")
    page = person.sign_in(f"/projects/{project}")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("backend atlas")
    expect(page.locator(f"#session-{idle}")).to_be_hidden()
    expect(page.locator(f"#session-{backend}")).to_be_visible()
    page.fill("#q", "payments")
    expect(page.locator("#filtered")).to_have_text("No agent matches 'payments'. 2 are hidden. Clear the filter")
    expect(page.locator(f"#ask-{waits}")).to_be_visible()
    assert page.url.endswith("?q=payments")
    page.reload()
    expect(page.locator("#filtered")).to_contain_text("2 are hidden.")
    page.get_by_role("link", name="Clear the filter").click()
    expect(page.locator(f"#session-{idle}")).to_be_visible()
    page.locator(".tally [data-filter=waiting]").click()
    expect(page.locator("#filtered")).to_contain_text("No agent is waiting. 2 are hidden.")
    expect(page.locator(f"#ask-{waits}")).to_be_visible()
    page.locator(".tally [data-filter=waiting]").click()
    page.get_by_role("link", name="Role", exact=True).click()
    expect(page.locator(".group:not(#lost) h2")).to_have_text(["backend", "docs", "qa"])
    late = register(person.server, project, caller_role="infra")
    expect(page.locator(f"#session-{late}")).to_contain_text("on laptop", timeout=WITHIN_MS)
    expect(page.locator(".group:not(#lost) h2")).to_have_text(["backend", "docs", "infra", "qa"])


def test_the_reader_s_density_is_kept(person: Person) -> None:
    project = new_project(person.server)
    register(person.server, project)
    page = person.sign_in(f"/projects/{project}")
    expect(page.locator("#roster")).to_have_attribute("data-density", "roomy")
    page.get_by_role("link", name="Dense").click()
    expect(page.locator("#roster")).to_have_attribute("data-density", "compact")
    page.reload()
    expect(page.locator("#roster")).to_have_attribute("data-density", "compact")


def test_what_looks_like_markup_a_template_or_an_escape_stays_text(person: Person) -> None:
    words = "<img src=x onerror=document.title='no'> {{ 7*7 }} \x1b[31m' data-mine='&amp;<b>bold</b>"
    shown = words.replace("\x1b", "")
    project = new_project(person.server)
    page = person.sign_in(f"/projects/{project}")
    session = register(person.server, project, caller_role=words, caller_origin=words, folder=words)
    path = f"/api/agent-sessions/{session}"
    person.server.call("PATCH", path, token=person.server.owner_token, json={"said": words, "ticket": words})
    row = page.locator(f"#session-{session}")
    for _ in range(2):  # as the stream tells it, and as the page is made
        expect(row.locator(".row-doing")).to_contain_text(shown, timeout=WITHIN_MS)
        expect(row.locator(".row-agent")).to_contain_text(shown)
        assert page.locator("main img, main i, .row b b").count() == 0
        page.reload()
    tell(person.server, project, session, "waiting", tool="<i>Bash</i>", tool_id="t")
    expect(page.locator(".ask-words")).to_have_text("Asks to use <i>Bash</i>", timeout=WITHIN_MS)
    assert page.locator("main img, main i, .who b b").count() == 0
    assert page.title() != "no"


def test_it_is_light_or_dark_as_the_system_is(person: Person) -> None:
    page = person.sign_in()
    grounds = []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(251, 250, 248)", "rgb(18, 19, 21)"]


_LOOKS: list[tuple[Literal["light", "dark"], int]] = [
    (scheme, width) for scheme in ("light", "dark") for width in (1440, 1024, 390)
]


def test_axe_finds_nothing(person: Person) -> None:
    """Cards and groups, roomy and dense, a filter, and what it looks like while the order is held."""
    project = new_project(person.server)
    sessions = [register(person.server, project, caller_role="qa", branch="fix/x", folder="shop") for _ in range(4)]
    tell(person.server, project, sessions[0], "waiting", tool="Bash", tool_id="t")
    tell(person.server, project, "an alias", "prompt", ago_ms=31 * 60_000)
    page = person.sign_in(f"/projects/{project}")
    for scheme, width in _LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        assert person.axe() == [], (scheme, width)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{person.server.url}/projects/{project}?group=role&state=working&q=qa&rows=compact")
    page.hover(f"#session-{sessions[1]}")
    tell(person.server, project, sessions[1], "waiting", tool="Bash", tool_id="t")
    expect(page.locator("#held span")).to_be_visible(timeout=WITHIN_MS)
    assert person.axe() == []


def test_nothing_scrolls_sideways(person: Person) -> None:
    project = new_project(person.server)
    long = "x" * 60
    page = person.sign_in(f"/projects/{project}")
    for number in range(6):
        session = register(person.server, project, machine_id=long, caller_role=long, branch=long, folder=long)
        if number:
            tell(person.server, project, session, "waiting", tool=long, tool_id="t")
        if number in (2, 5):
            expect(page.locator(".ask")).to_have_count(number, timeout=WITHIN_MS)
            for width in (320, 390, 768, 1024):
                page.set_viewport_size({"width": width, "height": 844})
                assert not person.sticks_out, width
    assert page.locator(".ask-rows").count() == 1
    page.click(".bar-end summary")
    assert not person.sticks_out


def test_it_works_without_script(people: People) -> None:
    person = people(java_script_enabled=False)
    page, project = person.page, new_project(person.server)
    page.goto(f"{person.server.url}/sign-in")
    page.get_by_label("Sign-in link").fill(person.new_link())
    page.get_by_role("button", name="Sign in by link").click()
    page.wait_for_url(f"{person.server.url}/projects**")
    page.goto(f"{person.server.url}/projects/{project}")
    expect(page.locator("h1")).to_contain_text("Nobody on duty")
    session = register(person.server, project, caller_role="qa")
    register(person.server, project, caller_role="backend")
    expect(page.locator(f"#session-{session}")).to_be_visible(timeout=15_000)
    expect(page.locator("body")).to_contain_text("Times of day are UTC")
    page.fill("#q", "qa")
    page.keyboard.press("Enter")
    expect(page.locator("#filtered")).to_contain_text("1 shown. 1 is hidden.")
    page.get_by_role("link", name="Dense").click()
    expect(page.locator("#roster")).to_have_attribute("data-density", "compact")
    expect(page.locator(".row:visible")).to_have_count(1)


def test_who_is_signed_out_elsewhere_or_may_not_see_it_sees_nothing_more(people: People) -> None:
    person = people()
    page = person.sign_in()
    page.goto(f"{person.server.url}/projects/01999999-0000-7000-8000-000000000000")
    expect(page.locator("body")).to_contain_text("You cannot see this project")
    person.sign_in()
    cookies = {each["name"]: each["value"] for each in person.context.cookies()}
    out = person.server.call("POST", "/sign-out", token=None, headers={"Cookie": f"onduty={cookies['onduty']}"})
    assert out.status == 303
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=10_000)


def test_the_title_of_a_hidden_tab_counts_too(person: Person) -> None:
    """Such a tab has no animation frames. Chromium under test hides none, and so this one is told that it is hidden."""
    project = new_project(person.server)
    session = register(person.server, project)
    person.page.add_init_script(
        "Object.defineProperty(Document.prototype, 'hidden', { get: () => true });"
        "globalThis.requestAnimationFrame = () => 0;"
    )
    page = person.sign_in(f"/projects/{project}")
    tell(person.server, project, session, "waiting", tool="Bash", tool_id="t")
    expect(page).to_have_title(re.compile(r"^\(1\) "), timeout=WITHIN_MS)


def test_a_page_that_hears_nothing_says_so_and_recovers(people: People) -> None:
    """A server that stands still, and then one that was killed and came back with a new process."""
    person = people()
    page, server = person.page, person.server
    project = new_project(server)
    person.sign_in(f"/projects/{project}")
    session = register(server, project)
    row = page.locator(f"#session-{session}")
    expect(row).to_be_visible(timeout=WITHIN_MS)
    banner = page.locator("#lost-connection")
    with paused(server):
        expect(banner).to_contain_text("No connection to the server since", timeout=25_000)
        expect(banner).to_contain_text("What you see was true then.")
        expect(page.get_by_text("Live", exact=True)).to_be_hidden()
        expect(row.locator(".row-last")).to_contain_text("at ")
        expect(page.locator("#said")).to_contain_text("No connection to the server since")
        assert page.evaluate("getComputedStyle(document.querySelector('.row .glyph')).filter") == "grayscale(1)"
    expect(banner).to_be_hidden(timeout=15_000)
    expect(row.locator(".row-last")).to_contain_text("ago")
    server.kill9()
    server.restart()
    late = register(server, project)
    expect(page.locator(f"#session-{late}")).to_be_visible(timeout=15_000)
    assert rows(page) == [session, late]


def test_the_script_says_times_as_the_server_does(person: Person) -> None:
    zone = ZoneInfo("Europe/Berlin")
    page = person.sign_in()
    now = parse_rfc3339("2026-11-24T08:07:30.500Z")
    passed = [0, 999, 59_999, 60_000, 252_000, 3_599_999, 3_600_000, 9_180_000, 86_399_999, 86_400_000, 176_400_000]
    passed += [13_651_200_000, 34_560_000_000]
    kinds = ["for", "ago", "age", "waited", "clock", "on"]
    told = page.evaluate(
        "async ([kinds, passed, now]) => { const { said } = await import('/static/ages.js');"
        " return kinds.map(kind => passed.map(each => said(kind, now - each, now))) }",
        [kinds, passed, now],
    )
    assert told == [[moment(kind, rfc3339(now - each), now, zone) for each in passed] for kind in kinds]


def test_five_hundred_agents_are_one_look(person: Person) -> None:
    server, project = person.server, new_project(person.server)
    now = rfc3339(wall_ms())
    for machine in range(25):
        events = [
            {"id": f"e{machine}-{number}", "kind": "prompt", "at": now, "session": f"s{machine}-{number}"}
            for number in range(20)
        ]
        body = {"sent_at": now, "project_id": project, "machine_id": f"machine-{machine:02}", "events": events}
        assert server.call("POST", "/api/agent-events", token=server.owner_token, json=body).status == 200
    page = person.sign_in(f"/projects/{project}")
    expect(page.locator("h1")).to_have_text("500 on duty", use_inner_text=True)
    expect(page.locator("#roster")).to_have_attribute("data-density", "compact")
    expect(page.locator(".floor a")).to_have_count(25)
    line = page.locator(".floor a[data-machine=machine-07]")
    expect(line.locator(".floor-note")).to_have_text("20 on duty: 20 working")
    assert page.locator(".floor").evaluate("floor => floor.getBoundingClientRect().bottom") < 900
    tell_all = {"sent_at": now, "project_id": project, "machine_id": "machine-07"}
    event = {"id": "w", "kind": "waiting", "at": now, "stamp": 2**60, "session": "s7-3", "tool": "Bash", "tool_id": "t"}
    server.call("POST", "/api/agent-events", token=server.owner_token, json={**tell_all, "events": [event]})
    expect(line.locator(".floor-note")).to_have_text("20 on duty: 1 waiting, 19 working", timeout=WITHIN_MS)
    expect(page.locator(".ask")).to_have_count(1)
    assert person.axe() == []
    cookie = next(each["value"] for each in person.context.cookies() if each["name"] == "onduty")
    headers = {"Cookie": f"onduty={cookie}", "Accept-Encoding": "gzip, br"}
    packed = server.call("GET", f"/projects/{project}", token=None, headers=headers)
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) <= 40 * 1024
