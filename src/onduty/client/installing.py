"""The program in the user's own folder, so that a hook needs no virtual environment and no download."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys
import zipfile

from onduty.client import files, place

_LAUNCHER = b"""import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
if sys.argv[1:2] == ["hook"] and len(sys.argv) == 4:
    from onduty.client.hook import main

    main(_ROOT, sys.argv[2], sys.argv[3])
else:
    from onduty.client.program import main

    sys.exit(main(sys.argv[1:]))
"""


def install(root: str) -> bool:
    """Put the program into the folder, as it runs here; whether anything was changed by that. OSError."""
    wanted = {"onduty.py": _LAUNCHER, **{f"onduty/{name}": text for name, text in sources().items()}}
    folder = os.path.dirname(place.program(root))
    changed = [name for name, text in wanted.items() if files.read(os.path.join(folder, *name.split("/"))) != text]
    for name in changed:
        path = os.path.join(folder, *name.split("/"))
        files.write(path, wanted[name], mode=0o600)
    for name in wanted:
        path = os.path.join(folder, *name.split("/"))
        if name in changed or not os.path.exists(importlib.util.cache_from_source(path)):
            _compile(path)
    return bool(changed)


def _compile(path: str) -> None:
    # A hook would pay for it otherwise; what cannot be compiled ahead is when it runs.
    try:
        py_compile.compile(path, doraise=True)
    except (OSError, py_compile.PyCompileError, NotImplementedError):
        pass


def sources() -> dict[str, bytes]:
    """The program's own files by their names below `onduty/`, from the package or the zipapp that runs here."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.path.isdir(here):
        return _from_folder(here)
    archive = os.path.dirname(here)
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if name.startswith("onduty/") and name.endswith(".py")]
        return {name[len("onduty/") :]: opened.read(name) for name in sorted(names)}


def _from_folder(here: str) -> dict[str, bytes]:
    found = {"__init__.py": files.read(os.path.join(here, "__init__.py")) or b""}
    for folder, folders, names in os.walk(os.path.join(here, "client")):
        folders[:] = [each for each in folders if each != "__pycache__"]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                found[os.path.relpath(path, here).replace(os.sep, "/")] = files.read(path) or b""
    return dict(sorted(found.items()))


def interpreter() -> str:
    """A Python that stays when a virtual environment goes, by the name that outlives an update where it has one."""
    own: str = getattr(sys, "_base_executable", "") or sys.executable
    own = os.path.realpath(own)
    plain = os.path.join(os.path.dirname(own), "python3")
    if os.path.exists(plain) and os.path.realpath(plain) == own:
        return plain
    return own


def command(root: str, *arguments: str) -> list[str]:
    """How the installed program is started: isolated, and without what only slows its start."""
    return [interpreter(), "-I", "-S", place.program(root), *arguments]
