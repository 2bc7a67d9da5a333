"""The one stream of a browser: shared by its tabs, closed with the last; silent and back; what it says aloud."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import People, Person
from tests.browser.reporting import new_project, register, tell
from tests.serving import Server

pytestmark = pytest.mark.browser

_LISTEN = """async ([project, last]) => {
  const { listen } = await import("/static/live.js");
  window.heard ??= [];
  const kinds = ["snapshot", "session", "gone", "withdrawn", "beat", "silent", "back", "refused"];
  const id = (data) => data?.session?.session_id ?? data?.session_id ?? "";
  const note = (kind) => [kind, (data) => window.heard.push([kind, id(data)])];
  window.connection = listen(project, last, Object.fromEntries(kinds.map(note)));
}"""
# Notes what is shown, and shows it.
_NOTING = """(() => {
  window.noticed = [];
  const Shown = Notification;
  window.Notification = class extends Shown {
    constructor(title, options) {
      super(title, options);
      window.noticed.push([title, options.body, options.tag]);
    }
  };
})()"""


def streams(server: Server) -> int:
    found = re.search(
        r"^onduty_live_streams ([0-9.]+)$", server.call("GET", "/metrics", token=None).body.decode(), re.MULTILINE
    )
    assert found
    return int(float(found[1]))


def until(page: Page, holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until it holds; the browser goes on meanwhile."""
    for _ in range(int(seconds * 20)):
        if holds():
            return
        page.wait_for_timeout(50)
    pytest.fail("it never was so")


def heard(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate("window.heard")
    return found


def tab(person: Person, project: str, last: str = "") -> Page:
    """Another tab, on a page that has no stream of its own, which listens to this project."""
    page = person.context.new_page()
    page.goto(f"{person.server.url}/projects")
    page.evaluate(_LISTEN, [project, last])
    return page


@pytest.fixture
def owner(people: People) -> Person:
    """Somebody signed in, whose own page has no stream."""
    somebody = people()
    somebody.sign_in("/projects")
    return somebody


def test_tabs_share_one_stream_that_closes_with_the_last(owner: Person) -> None:
    server = owner.server
    one, other = new_project(server), new_project(server)
    first, second = tab(owner, one), tab(owner, other)
    for page in (first, second):
        until(page, lambda page=page: ["snapshot", ""] in heard(page))  # type: ignore[misc]
    session, elsewhere = register(server, one), register(server, other)
    until(first, lambda: ["session", session] in heard(first))
    until(second, lambda: ["session", elsewhere] in heard(second))
    assert ["session", elsewhere] not in heard(first)
    assert streams(server) == 1
    second.close()
    tell(server, one, session, "waiting", tool="Bash", tool_id="t")
    until(first, lambda: heard(first).count(["session", session]) == 2)
    first.close()
    until(owner.page, lambda: streams(server) == 0)


def test_twelve_tabs_are_open_and_the_thirteenth_hears_at_once(owner: Person) -> None:
    """Each on a project of its own: a browser has six connections to a host, and none is used up."""
    server = owner.server
    projects = [new_project(server) for _ in range(13)]
    tabs = [tab(owner, project) for project in projects]
    for page, project in zip(tabs, projects, strict=True):
        session = register(server, project)
        until(page, lambda page=page, session=session: ["session", session] in heard(page))  # type: ignore[misc]
    assert streams(server) == 1


def test_a_tab_that_comes_later_misses_nothing(owner: Person) -> None:
    """It goes on from where its page was made, though the stream is further on by then."""
    server = owner.server
    project = new_project(server)
    first = tab(owner, project)
    until(first, lambda: ["snapshot", ""] in heard(first))
    begun = first.evaluate(
        """async (project) => {
      const answer = await fetch(`/live?project=${project}`);
      const reader = answer.body.getReader();
      let text = "";
      while (!/id: \\S+\\nevent: beat/.test(text)) text += new TextDecoder().decode((await reader.read()).value);
      reader.cancel();
      return text.match(/id: (\\S+)\\nevent: beat/)[1];
    }""",
        project,
    )
    session = register(server, project)
    until(first, lambda: ["session", session] in heard(first))
    late, unknowing = tab(owner, project, begun), tab(owner, project, "00000000:1")
    until(late, lambda: heard(late) == [["session", session]])
    until(unknowing, lambda: heard(unknowing) == [["snapshot", ""]])
    assert streams(server) == 1


def test_without_shared_workers_each_tab_has_a_stream(people: People) -> None:
    person = people()
    person.context.add_init_script("delete window.SharedWorker")
    person.sign_in("/projects")
    project = new_project(person.server)
    tabs = [tab(person, project) for _ in range(2)]
    until(person.page, lambda: streams(person.server) == 2)
    session = register(person.server, project)
    for page in tabs:
        until(page, lambda page=page: ["session", session] in heard(page))  # type: ignore[misc]


def test_who_is_signed_out_is_refused(owner: Person) -> None:
    page = tab(owner, new_project(owner.server))
    until(page, lambda: bool(heard(page)))
    page.evaluate("fetch('/sign-out', {method: 'POST', redirect: 'manual'})")
    until(page, lambda: ["refused", ""] in heard(page))


def test_a_server_that_is_away_is_silence_and_then_it_is_back(owner: Person) -> None:
    server = owner.server
    project = new_project(server)
    page = tab(owner, project)
    until(page, lambda: bool(heard(page)))
    server.kill9()
    try:
        until(page, lambda: ["silent", ""] in heard(page), 30)
        assert page.evaluate("window.connection.nextTry > 0")
    finally:
        server.restart()
    until(page, lambda: heard(page)[-2:] in ([["back", ""], ["snapshot", ""]], [["snapshot", ""], ["beat", ""]]))
    assert [kind for kind, _ in heard(page)].count("silent") == 1


def test_a_wait_of_one_s_own_is_said_once_in_all_tabs(people: People) -> None:
    """After 3 s, by a tab that is not busy; not one that is over by then, nor any before a person asked for it."""
    person = people(permissions=["notifications"])
    person.context.add_init_script(_NOTING)
    person.sign_in("/projects")
    server = person.server
    project = new_project(server)
    tabs = [tab(person, project) for _ in range(3)]
    for page in tabs:
        until(page, lambda page=page: bool(heard(page)))  # type: ignore[misc]
    session, brief = register(server, project), register(server, project)

    def noticed(pages: Sequence[Page]) -> list[list[str]]:
        return [each for page in pages for each in page.evaluate("window.noticed")]

    tell(server, project, session, "waiting", tool="Write", tool_id="t0")
    tabs[1].wait_for_timeout(4_000)
    assert noticed(tabs) == []
    tell(server, project, session, "answered")
    assert tabs[1].evaluate("import('/static/attention.js').then(({turnOn}) => turnOn())") is True
    tell(server, project, brief, "waiting", tool="Edit", tool_id="t")
    tell(server, project, brief, "answered")
    tabs[0].evaluate(
        "setTimeout(() => { const end = performance.now() + 6000; while (performance.now() < end); }, 500)"
    )
    tell(server, project, session, "waiting", tool="Bash", tool_id="t1")
    until(tabs[1], lambda: len(noticed(tabs[1:])) == 1)
    tell(server, project, session, "answered")
    tell(server, project, session, "waiting", tool="Bash", tool_id="t2")
    until(tabs[1], lambda: len(noticed(tabs)) == 2)
    tabs[1].wait_for_timeout(1_000)
    said = noticed(tabs)
    assert [each[:2] for each in said] == [["Waiting for you", "Claude Code on laptop asks to use Bash"]] * 2
    assert len({tag for _, _, tag in said}) == 2
