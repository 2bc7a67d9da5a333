"""Puts a list of all that the wheel installs into it: `.dist-info/sboms/onduty.cdx.json` (PEP 770, CycloneDX 1.6).

Made of `uv.lock` and nothing else, neither time nor chance: the same commit gives the same bytes.
"""

from __future__ import annotations

import json
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FILE = "onduty.cdx.json"


class BillOfMaterials(BuildHookInterface[Any]):
    """Found by hatchling under `[tool.hatch.build.targets.wheel.hooks.custom]`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            lock = tomllib.loads((Path(self.root) / "uv.lock").read_text("utf-8"))
            folder = Path(tempfile.mkdtemp(prefix="onduty-sbom-"))
            text = json.dumps(bill(lock, self.metadata.version), indent=1, sort_keys=True) + "\n"
            (folder / _FILE).write_text(text, "utf-8")
            build_data["sbom_files"].append(str(folder / _FILE))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        for file in map(Path, build_data["sbom_files"]):
            file.unlink()
            file.parent.rmdir()


def bill(lock: dict[str, Any], version: str) -> dict[str, Any]:
    """What `onduty` needs to run on any system, by the lock, and who needs what."""
    packages = {package["name"]: package for package in lock["package"]}
    packages["onduty"] = {**packages["onduty"], "version": version}
    needs = _needs(packages)
    components = {name: _component(packages[name], "library") for name in sorted(needs)}
    of_itself = _component(packages["onduty"], "application")
    del components["onduty"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": of_itself, "lifecycles": [{"phase": "pre-build"}]},
        "components": list(components.values()),
        "dependencies": [
            {"ref": _purl(packages[name]), "dependsOn": [_purl(packages[each]) for each in sorted(needs[name])]}
            for name in sorted(needs)
        ],
    }


def _needs(packages: dict[str, dict[str, Any]]) -> dict[str, set[str]]:
    """Of each package that `onduty` leads to: what it needs, with the extras that somebody asks of it."""
    found: dict[str, set[str]] = {}
    due: list[tuple[str, str]] = [("onduty", "")]
    seen: set[tuple[str, str]] = set()
    while due:
        name, extra = due.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        package = packages[name]
        entries = package.get("optional-dependencies", {}).get(extra, []) if extra else package.get("dependencies", [])
        found.setdefault(name, set()).update(entry["name"] for entry in entries)
        due += [(entry["name"], each) for entry in entries for each in ["", *entry.get("extra", [])]]
    return found


def _component(package: dict[str, Any], kind: str) -> dict[str, Any]:
    purl = _purl(package)
    return {"type": kind, "bom-ref": purl, "name": package["name"], "version": package["version"], "purl": purl}


def _purl(package: dict[str, Any]) -> str:
    return f"pkg:pypi/{package['name']}@{package['version']}"
