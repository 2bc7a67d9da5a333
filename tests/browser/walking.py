"""The demonstration's pages, each by its name and address, for whoever goes through all of them."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page

from tests.wheel import onduty

_LINK = re.compile(r"http://\S+/sign-in#\S+")


@contextmanager
def demonstration(*arguments: str) -> Iterator[str]:
    """A demonstration, and the link that signs in there."""
    process = subprocess.Popen(onduty("demo", *arguments), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            yield next(line.strip() for line in process.stdout if _LINK.fullmatch(line.strip()))
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            assert process.wait(20) == 0


def sign_in(context: BrowserContext, link: str) -> Page:
    """Spend the link; the answer is a page of who is in now, at the list of projects."""
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/projects")
    return page


@dataclass(frozen=True)
class Walk:
    """Where each page is: `checkout` is a busy project, `mobile-app` one without agents."""

    page: Page
    origin: str
    paths: dict[str, str]

    @classmethod
    def begin(cls, page: Page) -> Walk:
        origin = page.url.removesuffix("/projects")
        busy, empty = (page.get_by_role("link", name=name).get_attribute("href") for name in ("checkout", "mobile-app"))
        page.goto(f"{origin}{busy}")
        row = page.locator("tr.row[data-state=working]").first.get_attribute("id") or ""
        session = f"/sessions/{row.removeprefix('session-')}"
        return cls(
            page,
            origin,
            {
                "projects": "/projects",
                "new-project": "/projects/new",
                "on-duty": f"{busy}",
                "nobody": f"{empty}",
                "session": session,
                "session-events": f"{session}/events",
                "session-end": f"{session}/end",
                "connect": f"{busy}/connect",
                "profile": "/settings",
                "tokens": "/settings/tokens",
                "browsers": "/settings/browsers",
                "project-settings": f"{busy}/settings",
                "members": f"{busy}/settings/members",
                "invitations": f"{busy}/settings/invitations",
                "audit": f"{busy}/settings/audit",
                "export": f"{busy}/settings/export",
                "not-found": "/no-such-page",
                "refused": "/projects/01990000-0000-7000-8000-000000000000",
                "sign-in": "/sign-in",
                "join": "/join",
            },
        )

    def go(self, name: str) -> None:
        """Open a page; of connecting the one that listens."""
        self.page.goto(self.origin + self.paths[name])
        if name == "connect":
            self.page.get_by_label("Role").fill("backend")
            self.page.get_by_role("button", name="Make the line").click()
            self.page.wait_for_selector("#listening")
