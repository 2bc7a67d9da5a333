"""The baseline: uvicorn with uvloop and httptools, and one plain callable that answers given bytes and headers.

`python -m benchmarks.baseline PORT` takes its answers as JSON on stdin, one a method; `stream` holds what it answers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def plain(answers: dict[str, Any]) -> Application:
    """What it is given, and nothing else."""
    made = {
        method: (
            {
                "type": "http.response.start",
                "status": answer["status"],
                "headers": [(name.encode(), value.encode("latin-1")) for name, value in answer["headers"]],
            },
            {
                "type": "http.response.body",
                "body": answer["body"].encode(),
                "more_body": answer.get("stream", False),
            },
        )
        for method, answer in answers.items()
    }

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        start, body = made[scope["method"]]
        await send(start)
        await send(body)
        while body["more_body"] and (await receive())["type"] != "http.disconnect":
            pass

    return app


def serve(app: Application, port: int) -> None:
    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    serve(plain(json.loads(sys.stdin.readline())), int(sys.argv[1]))
