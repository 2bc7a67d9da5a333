"""Renews the pictures in docs/ from the demonstration: `make screenshots`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.conftest import launched
from tests.wheel import ROOT, onduty

DOCS = ROOT / "docs"
_LINK = re.compile(r"http://\S+/sign-in#\S+")


@contextmanager
def demonstration(*arguments: str) -> Iterator[str]:
    """A demonstration, and the link that signs in there."""
    process = subprocess.Popen(onduty("demo", *arguments), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield next(line.strip() for line in process.stdout if _LINK.fullmatch(line.strip()))
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(10) == 0


def sign_in(context: BrowserContext, link: str) -> Page:
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_selector("main.page")
    return page


def pages(page: Page) -> dict[str, str]:
    """The address of each page there is, by the name of its picture."""
    origin = page.url.partition("/projects")[0]
    page.goto(f"{origin}/projects")
    project = page.get_by_role("link", name="checkout").get_attribute("href") or ""
    page.goto(origin + project)
    session = page.locator("tr.row[data-state=working]").first.get_attribute("id") or ""
    return {
        "projects": "/projects",
        "on-duty": project,
        "session": f"/sessions/{session.removeprefix('session-')}",
        "connect": f"{project}/connect",
    }


def take(browser: Browser, link: str, into: Path, width: int = 1440, height: int = 900, full: bool = False) -> None:
    """A picture of each page, light and dark."""
    context = browser.new_context(viewport={"width": width, "height": height}, timezone_id="Europe/Berlin")
    page = sign_in(context, link)
    origin = page.url.partition("/projects")[0]
    for name, path in pages(page).items():
        page.goto(origin + path)
        if name == "connect":
            page.get_by_label("Role").fill("backend")
            page.get_by_role("button", name="Make the line").click()
            page.wait_for_selector("#listening")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.screenshot(path=into / f"{name}-{scheme}.png", animations="disabled", full_page=full)
    context.close()


def main() -> None:
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    width = int(sys.argv[2]) if len(sys.argv) > 2 else 1440
    with sync_playwright() as playwright, demonstration("--still") as link:
        take(launched(playwright), link, into, width, full=len(sys.argv) > 1)


if __name__ == "__main__":
    main()
