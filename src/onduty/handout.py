"""The client program as the server hands it out: one file, of the server's own version, that any Python 3.9 runs."""

import io
import zipfile
from functools import cache
from typing import Final

from fastapi import APIRouter, Response

from onduty.client import installing

router = APIRouter(include_in_schema=False)

_MAIN: Final = b"import sys\n\nfrom onduty.client.program import main\n\nsys.exit(main(sys.argv[1:]))\n"
# The same content is the same file, whenever it is built.
_WHEN: Final = (1980, 1, 1, 0, 0, 0)


@cache
def zipapp() -> bytes:
    """The file's content (docs.python.org/3/library/zipapp.html)."""
    made = io.BytesIO(b"")
    made.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"__main__.py": _MAIN, **_package()}.items():
            archive.writestr(zipfile.ZipInfo(name, _WHEN), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _package() -> dict[str, bytes]:
    return {f"onduty/{name}": content for name, content in installing.sources().items()}


@router.api_route("/client/onduty.pyz", methods=["GET", "HEAD"])
async def client_program() -> Response:
    """For `curl -O …/client/onduty.pyz && python3 onduty.pyz connect`."""
    headers = {"Content-Disposition": 'attachment; filename="onduty.pyz"', "Cache-Control": "no-cache"}
    return Response(zipapp(), media_type="application/zip", headers=headers)
