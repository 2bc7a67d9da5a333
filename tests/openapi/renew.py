"""`make openapi`: writes the committed copy of the OpenAPI document from a server of its own."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.openapi.tools import ROOT
from tests.serving import Server

COPY = ROOT / "docs" / "openapi.json"


def written(document: Any) -> str:
    """The document as it is kept: one line a member, so that a change reads as what it is."""
    return json.dumps(document, indent=1) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        server = Server.start(Path(folder))
        try:
            COPY.write_text(written(server.call("GET", "/api/openapi.json", token=None).json))
        finally:
            server.stop()
