"""What a page has open ends with the browser session that it rests on, whoever ends that."""

from __future__ import annotations

from contextlib import ExitStack
from urllib.parse import urlencode

from tests.asking import Answer
from tests.serving import Server
from tests.watching import watch

_EMAIL, _PASSWORD = "alice@example.com", "correct horse"


class Page:
    """A real server's page in a browser, as far as its cookie goes."""

    def __init__(self, server: Server, **fields: str) -> None:
        self.server = server
        self.cookie = ""
        self.cookie = self.post("/sign-in", **fields).headers["set-cookie"].partition(";")[0]

    def post(self, path: str, **fields: str) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": self.cookie}
        answer = self.server.call("POST", path, token=None, body=urlencode(fields).encode(), headers=headers)
        assert answer.status == 303, answer.body
        return answer


def test_a_new_password_and_ending_the_others_end_their_streams_at_once(server: Server) -> None:
    link = server.call("POST", "/api/sign-in-links", token=server.owner_token).json["url"]
    here = Page(server, secret=link)
    here.post("/settings", change="both", email=_EMAIL, password=_PASSWORD)
    password = _PASSWORD
    for fields in (
        {"path": "/settings/browsers", "end": "others"},
        {"path": "/settings", "change": "password", "password": "another horse"},
    ):
        with ExitStack() as open_streams:
            pages = [here, *(Page(server, email=_EMAIL, password=password) for _ in range(2))]
            path = f"/live?project={server.project_id}"
            first, *others = [
                open_streams.enter_context(watch(server, path, timeout=15, headers={"Cookie": page.cookie}))
                for page in pages
            ]
            assert {stream.next().kind for stream in (first, *others)} == {"snapshot"}
            here.post(**fields)
            for stream in others:
                stream.to_the_end()
            registered = server.call(
                "POST",
                f"/api/projects/{server.project_id}/agent-sessions",
                token=server.owner_token,
                json={"machine_id": "laptop", "client_ref": fields["path"]},
            )
            assert registered.status == 201
            assert first.next("session").data["session"]["session_id"] == registered.json["session_id"]
        password = fields.get("password", password)
