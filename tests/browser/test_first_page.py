"""Signing in and watching who is on duty, in a real browser against a real server."""

from __future__ import annotations

from itertools import count
from typing import Any, Literal

import pytest
from playwright.sync_api import expect

from onduty.clock import rfc3339, wall_ms
from tests.browser.conftest import People, Person
from tests.serving import Server

pytestmark = pytest.mark.browser

_NAMES = count()
WITHIN_MS = 6_000


def new_project(server: Server) -> str:
    made = server.call("POST", "/api/projects", token=server.owner_token, json={"name": f"project {next(_NAMES)}"})
    assert made.status == 201, made.body
    return str(made.json["id"])


def register(server: Server, project: str, **fields: Any) -> str:
    path = f"/api/projects/{project}/agent-sessions"
    body = {"machine_id": "laptop", "caller_origin": "claude-code", **fields}
    answer = server.call("POST", path, token=server.owner_token, json=body)
    assert answer.status == 201, answer.body
    return str(answer.json["session_id"])


def tell(server: Server, project: str, session: str, kind: str, **fields: Any) -> None:
    now = rfc3339(wall_ms())
    event = {"id": f"{kind}-{next(_NAMES)}", "kind": kind, "at": now, "session": session, **fields}
    body = {"sent_at": now, "project_id": project, "machine_id": "laptop", "events": [event]}
    answer = server.call("POST", "/api/agent-events", token=server.owner_token, json=body)
    assert answer.json["results"][0]["status"] == "accepted", answer.body


def test_a_link_signs_in_once(person: Person) -> None:
    page, link = person.page, person.new_link()
    page.goto(person.server.url)
    expect(page.locator("body")).to_contain_text("onduty sign-in")
    page.goto(link)
    expect(page.get_by_label("Sign-in link")).to_be_hidden()
    assert "#" not in page.url
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{person.server.url}/projects**")
    assert "#" not in page.url
    [cookie] = [each for each in person.context.cookies() if each["name"] == "onduty"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["value"] not in page.content()
    page.click(".bar-end summary")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not person.complaints
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("it was used")
    person.complaints.clear()  # Chromium says so itself where a page is a 400.


def test_a_session_comes_waits_and_ends_before_the_viewer_s_eyes(person: Person) -> None:
    server = person.server
    project = new_project(server)
    page = person.sign_in(f"/projects/{project}")
    expect(page.locator("h1")).to_contain_text("Nobody on duty")
    page.evaluate("window.loadedOnce = true")
    session = register(server, project, caller_role="qa", branch="fix/x")
    row = page.locator(f"#session-{session}")
    expect(row).to_be_visible(timeout=WITHIN_MS)
    for word in ("Working", "Called", "· qa", "Claude Code", "fix/x"):
        expect(row).to_contain_text(word)
    expect(page.locator("h1")).to_have_text("1 on duty", use_inner_text=True)
    expect(page.locator(".tally")).to_contain_text("0 waiting for a person")

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
    server.call("DELETE", f"/api/agent-sessions/{session}", token=server.owner_token)
    expect(row).to_have_count(0, timeout=WITHIN_MS)
    expect(page.locator("h1")).to_contain_text("Nobody on duty")
    expect(page.locator(".empty")).to_contain_text("The last sign of life came")
    assert page.evaluate("window.loadedOnce"), "the page was loaded again"


def test_what_did_not_change_is_left_alone(person: Person) -> None:
    project = new_project(person.server)
    first = register(person.server, project)
    page = person.sign_in(f"/projects/{project}")
    page.evaluate("id => { window.kept = document.getElementById(id) }", f"session-{first}")
    second = register(person.server, project, machine_id="another")
    expect(page.locator(f"#session-{second}")).to_be_visible(timeout=WITHIN_MS)
    assert page.evaluate("id => window.kept === document.getElementById(id)", f"session-{first}")


def test_what_looks_like_markup_stays_text(person: Person) -> None:
    words = "<img src=x onerror=document.title='no'> {{ 7*7 }} <b>bold</b>"
    project = new_project(person.server)
    session = register(person.server, project, caller_role=words, caller_origin=words, folder=words)
    path = f"/api/agent-sessions/{session}"
    person.server.call("PATCH", path, token=person.server.owner_token, json={"said": words, "ticket": words})
    page = person.sign_in(f"/projects/{project}")
    row = page.locator(f"#session-{session}")
    expect(row.locator(".row-doing")).to_contain_text(words)
    expect(row.locator(".row-agent")).to_contain_text(words)
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


@pytest.mark.parametrize("width", [320, 390, 768, 1024])
def test_nothing_scrolls_sideways(person: Person, width: int) -> None:
    project = new_project(person.server)
    long = "x" * 60
    for number in range(6):
        session = register(
            person.server, project, machine_id=long, caller_role=long, branch=long, client_ref=str(number), folder=long
        )
        if number:
            tell(person.server, project, session, "waiting", tool=long, tool_id="t")
    page = person.sign_in(f"/projects/{project}")
    page.set_viewport_size({"width": width, "height": 844})
    expect(page.locator(".ask-row")).to_have_count(5)
    assert not person.sticks_out
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
    session = register(person.server, project)
    expect(page.locator(f"#session-{session}")).to_be_visible(timeout=2 * WITHIN_MS)
    expect(page.locator("body")).to_contain_text("Times of day are UTC")


def test_who_is_signed_out_elsewhere_sees_nothing_more(people: People) -> None:
    person = people()
    page = person.sign_in()
    cookies = {each["name"]: each["value"] for each in person.context.cookies()}
    out = person.server.call("POST", "/sign-out", token=None, headers={"Cookie": f"onduty={cookies['onduty']}"})
    assert out.status == 303
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=WITHIN_MS)


def test_a_page_that_hears_nothing_says_so_and_recovers(people: People) -> None:
    person = people()
    page, server = person.sign_in(), person.server
    session = register(server, server.project_id)
    expect(page.locator(f"#session-{session}")).to_be_visible(timeout=WITHIN_MS)
    server.kill9()
    try:
        banner = page.locator("#lost-connection")
        expect(banner).to_contain_text("No connection to the server since", timeout=25_000)
        expect(page.get_by_text("Live", exact=True)).to_be_hidden()
        expect(page.locator(f"#session-{session} .at")).to_be_visible()
        expect(page.locator(f"#session-{session} .row-last .age")).to_be_hidden()
    finally:
        server.restart()
    expect(banner).to_be_hidden(timeout=2 * WITHIN_MS)
    expect(page.locator(f"#session-{session} .row-last .age")).to_be_visible()


def test_axe_finds_what_is_wrong(person: Person) -> None:
    """Else it would find nothing on any page."""
    page = person.sign_in("/projects")
    assert person.axe() == []
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert [line.partition(":")[0] for line in person.axe()] == ["image-alt"]
