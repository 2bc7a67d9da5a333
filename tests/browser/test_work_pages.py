"""The pages of projects, of a session and of connecting before somebody's eyes, in a real browser."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Person
from tests.browser.test_first_page import WITHIN_MS, new_project, register, tell

pytestmark = pytest.mark.browser


def test_the_overview_follows_and_is_filtered_as_one_types(person: Person) -> None:
    server = person.server
    quiet, busy = new_project(server), new_project(server)
    page = person.sign_in("/projects")
    row = page.locator(f"#project-{busy}")
    expect(row).to_contain_text("Nobody on duty")
    session = register(server, busy, caller_role="qa")
    expect(row).to_contain_text("1 on duty", timeout=WITHIN_MS)
    tell(server, busy, session, "waiting", tool="Bash", tool_id="t")
    expect(row.locator(".chip-waiting")).to_have_text("1 waiting, yours", timeout=WITHIN_MS)
    expect(page.locator("h1 + p")).to_have_text("1 waits for you.")
    assert page.title().startswith("(1) ")
    expect(page.locator("tr.project").first).to_have_attribute("id", f"project-{busy}")
    page.keyboard.press("/")
    page.keyboard.type("LAPTOP")
    expect(page.locator(f"#project-{quiet}")).to_have_count(0)
    expect(row).to_be_visible()
    expect(page.get_by_role("searchbox")).to_be_focused()
    assert page.url.endswith("?q=LAPTOP")


def test_a_session_changes_and_ends_on_its_page(person: Person) -> None:
    server = person.server
    project = new_project(server)
    session = register(server, project, caller_role="qa", client_ref="mine")
    page = person.sign_in(f"/sessions/{session}")
    expect(page.locator(".verdict")).to_contain_text("Working. Called")
    page.evaluate("window.loadedOnce = true")
    tell(server, project, session, "prompt")
    tell(server, project, session, "waiting", tool="Bash", tool_id="t")
    expect(page.locator(".verdict")).to_contain_text("Waiting. Asks to use Bash", timeout=WITHIN_MS)
    expect(page.get_by_role("region", name="Table of events")).to_contain_text("Waits")
    assert page.locator("rect.span[data-state=waiting]").count() == 1
    assert page.evaluate("window.loadedOnce"), "the page was loaded again"
    page.get_by_role("link", name="End this session").click()
    page.get_by_role("button", name="End this session").click()
    expect(page.locator(".verdict")).to_contain_text("Ended.")
    expect(page.get_by_role("link", name="End this session")).to_have_count(0)


def test_a_machine_is_connected_by_the_line_and_its_agent_arrives(person: Person, tmp_path: Path) -> None:
    """The pasted line, as a person would paste it; the client program is the one that the server hands out."""
    project = new_project(person.server)
    page = person.sign_in(f"/projects/{project}/connect")
    person.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Role").fill("qa team")
    page.get_by_role("button", name="Make the line").click()
    expect(page.locator("#listening")).to_contain_text("Listening for its first sign of life. Nothing yet, 1 s")
    page.get_by_role("button", name="Copy").first.click()
    line = page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"--code [0-9A-Z]{4}-[0-9A-Z]{4}$", line)
    home = tmp_path / "home"
    (home / ".claude").mkdir(parents=True)
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace("python3", sys.executable)],
        cwd=tmp_path,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    arrived = page.locator("#listening li")
    expect(arrived).to_contain_text("Claude Code", timeout=WITHIN_MS)
    expect(arrived).to_contain_text("qa team")
    expect(page.locator("#listening")).to_contain_text("The connection is proven: start Claude Code")


def test_a_page_that_hears_nothing_says_so_and_recovers(people: People) -> None:
    person = people()
    server = person.server
    session = register(server, server.project_id, client_ref="kept")
    page = person.sign_in(f"/sessions/{session}")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    server.kill9()
    try:
        banner = page.locator("#lost-connection")
        expect(banner).to_contain_text("No connection to the server since", timeout=30_000)
        expect(page.get_by_text("Live", exact=True)).to_be_hidden()
    finally:
        server.restart()
    expect(banner).to_be_hidden(timeout=20_000)


@pytest.mark.parametrize("width", [320, 1024])
def test_nothing_scrolls_sideways(person: Person, width: int) -> None:
    long = "x" * 60
    project = new_project(person.server)
    session = register(
        person.server, project, machine_id=long, caller_role=long, branch=long, client_ref=long, folder=long
    )
    tell(person.server, project, session, "tool_started", tool=long, tool_id=long)
    person.sign_in("/projects")
    person.page.set_viewport_size({"width": width, "height": 800})
    for path in (
        "/projects",
        "/projects/new",
        f"/sessions/{session}",
        f"/sessions/{session}/events",
        f"/sessions/{session}/end",
        f"/projects/{project}/connect",
    ):
        person.page.goto(person.server.url + path)
        assert not person.sticks_out, path
    person.page.get_by_role("button", name="Make the line").click()
    expect(person.page.locator("#listening")).to_be_visible()
    assert not person.sticks_out


def test_all_of_it_works_without_script(people: People) -> None:
    person = people(java_script_enabled=False)
    page, server = person.page, person.server
    page.goto(f"{server.url}/sign-in?next=/projects/new")
    page.get_by_label("Sign-in link").fill(person.new_link())
    page.get_by_role("button", name="Sign in by link").click()
    page.get_by_label("Name").fill("made without script")
    page.get_by_role("button", name="Make it").click()
    page.get_by_text("Any command").click()
    page.get_by_role("button", name="Make the line").click()
    expect(page.locator("#line")).to_contain_text("run -- COMMAND")
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    project = page.url.split("/")[4]
    session = register(server, project)
    page.goto(f"{server.url}/projects?q=without script")
    page.get_by_role("link", name="made without script").click()
    page.goto(f"{server.url}/sessions/{session}")
    page.get_by_role("link", name="End this session").click()
    page.get_by_role("button", name="End this session").click()
    expect(page.locator(".verdict")).to_contain_text("Ended.")
