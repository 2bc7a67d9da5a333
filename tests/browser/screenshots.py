"""Renews the pictures in docs/ from the demonstration: `make screenshots`, or a folder and a width for another look."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import launched
from tests.browser.walking import Walk, demonstration, sign_in
from tests.wheel import ROOT

DOCS = ROOT / "docs"
# Of what the repository keeps no picture: questions, refusals, and what is much like another page.
_NOT_KEPT = {"new-project", "session-events", "session-end", "not-found", "refused", "join"}


def take(browser: Browser, link: str, into: Path, width: int = 1440, *, all_of_it: bool = False) -> None:
    """A picture of each page, light and dark: of the first screen, or all pages from top to end."""
    context = browser.new_context(viewport={"width": width, "height": 900}, timezone_id="Europe/Berlin")
    walk = Walk.begin(sign_in(context, link))
    for name in walk.paths:
        if name in _NOT_KEPT and not all_of_it:
            continue
        walk.go(name)
        for scheme in ("light", "dark"):
            walk.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            walk.page.screenshot(path=into / f"{name}-{scheme}.png", animations="disabled", full_page=all_of_it)
    context.close()


def main() -> None:
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    width = int(sys.argv[2]) if len(sys.argv) > 2 else 1440
    into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, demonstration("--still") as link:
        take(launched(playwright), link, into, width, all_of_it=into != DOCS)


if __name__ == "__main__":
    main()
