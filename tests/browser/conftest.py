"""A real Chromium, and a person in front of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.agents.install import install
from tests.serving import Server

# What Chromium would ask of other hosts, and what it cannot do in a container.
_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]

# Every rule of axe, the best practices included. What still fades would be judged half-way.
_JUDGE = """async rules => {
    await Promise.allSettled(document.getAnimations().map(animation => animation.finished));
    const chosen = rules ? { runOnly: { type: "rule", values: rules } } : {};
    const { violations } = await axe.run(document, { resultTypes: ["violations"], ...chosen });
    return violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ target, html }) => `${id}: ${help}: ${target.join(" ")}: ${html.slice(0, 200)}`));
}"""


@cache
def _axe() -> str:
    return (install(Path(__file__).parent) / "axe-core" / "axe.min.js").read_text()


# Each comes from an address of their own, for no more than ten sign in from one within a minute.
_ADDRESSES = count(1)
_BEHIND_A_PROXY = {"ONDUTY_TRUSTED_PROXIES": "127.0.0.1"}


@dataclass
class Person:
    """Somebody with a browser of their own. `complaints` is what it says on its console, the policy's own included."""

    browser: Browser
    server: Server
    options: dict[str, Any] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = {"viewport": {"width": 1440, "height": 900}, "timezone_id": "Europe/Berlin", **self.options}
        options["extra_http_headers"] = {"X-Forwarded-For": f"192.0.2.{next(_ADDRESSES) % 250}"}
        self.context = self.browser.new_context(**options)
        self.context.set_default_timeout(10_000)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda said: self._complain(said.type, said.text))
        self.page.on("pageerror", lambda error: self._complain("error", str(error)))

    def _complain(self, kind: str, words: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {words}")

    def new_link(self) -> str:
        made = self.server.call("POST", "/api/sign-in-links", token=self.server.owner_token)
        assert made.status == 201, made.body
        return str(made.json["url"])

    def sign_in(self, path: str | None = None) -> Page:
        """Come in by a link of one's own, and look at this page, or at who is on duty in the server's first project."""
        self.page.goto(self.new_link())
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_selector("main.page")
        self.page.goto(self.server.url + (path or f"/projects/{self.server.project_id}"))
        return self.page

    def axe(self) -> list[str]:
        """What axe finds wrong on the page as it is now, a line each."""
        return axe_of(self.page)

    @property
    def sticks_out(self) -> list[str]:
        """What makes the page scroll sideways, if it does."""
        return sticks_out_of(self.page)


# Those that the reader's theme may change.
OF_COLOUR = ["color-contrast", "link-in-text-block"]


def axe_of(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe finds wrong on a page, by these rules or by all, a line each; the page's policy stands in no way."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    found: list[str] = page.evaluate(_JUDGE, rules)
    return found


def sticks_out_of(page: Page) -> list[str]:
    """What makes a page scroll sideways, if it does."""
    found: list[str] = page.evaluate(
        "document.documentElement.scrollWidth <= innerWidth ? [] :"
        " [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth)"
        ".map(e => `${e.tagName} ${e.className} ${e.id}`)"
    )
    return found


class People:
    """Makes people, and has their browsers closed when the test is over."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.browser = browser
        self.server = server
        self.made: list[Person] = []

    def __call__(self, **options: Any) -> Person:
        """A person; `options` are their browser context's."""
        self.made.append(Person(self.browser, self.server, options))
        return self.made[-1]


def launched(playwright: Playwright) -> Browser:
    """The system's own Chromium."""
    program = shutil.which("chromium")
    assert program, "these tests drive Chromium: install your system's package for it"
    return playwright.chromium.launch(executable_path=program, args=_FLAGS)


# Not for the whole session: while Playwright runs, its loop stands in the thread, where other tests need their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launched(playwright)
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module, which takes each browser's word for where it is."""
    running = Server.start(tmp_path_factory.mktemp("server"), environment=_BEHIND_A_PROXY)
    yield running
    running.kill9()


@pytest.fixture
def people(browser: Browser, server: Server) -> Iterator[People]:
    made = People(browser, server)
    yield made
    for person in made.made:
        person.context.close()


@pytest.fixture
def person(people: People) -> Iterator[Person]:
    """Somebody whose browser must have nothing to complain of when the test is over."""
    somebody = people()
    yield somebody
    assert not somebody.complaints
