"""Every dependency has its reason in docs/decisions.md; what users run is under permissive licences alone."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.structure.sources import ROOT

_PERMISSIVE = {"Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"}
# How packages from before SPDX expressions say the same.
_OLD_WORDS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}


def licence_words(metadata: dict[str, list[str]]) -> str:
    """An SPDX expression out of a package's own words: its expression, else its classifiers, else its free text."""
    if expression := metadata.get("License-Expression"):
        return expression[0]
    old = [words.rpartition(" :: ")[2] for words in metadata.get("Classifier", []) if words.startswith("License :: ")]
    named = [_OLD_WORDS.get(word, word) for word in old if word != "OSI Approved"]
    return " AND ".join(f"({word})" if " " in word else word for word in named) or metadata.get("License", ["none"])[0]


def is_permissive(expression: str) -> bool:
    """Of names joined by OR one has to be permissive, of those joined by AND all. No package here nests them."""
    alternatives = re.split(r"\s+OR\s+", expression.replace("(", "").replace(")", ""))
    return any(all(name in _PERMISSIVE for name in re.split(r"\s+AND\s+", part)) for part in alternatives)


def runtime() -> dict[str, Distribution]:
    """What `onduty` needs to run on this machine, itself left out: by name, dependencies of dependencies included."""
    found: dict[str, Distribution] = {}
    seen: set[str] = set()
    due = _needs(distribution("onduty"), set())
    while due:
        requirement = due.pop()
        if str(requirement) not in seen:
            seen.add(str(requirement))
            package = found[canonicalize_name(requirement.name)] = distribution(requirement.name)
            due += _needs(package, requirement.extras)
    return found


def _needs(package: Distribution, extras: set[str]) -> list[Requirement]:
    needs = [Requirement(word) for word in package.requires or []]
    return [each for each in needs if each.marker is None or _holds(each.marker, extras)]


def _holds(marker: Marker, extras: set[str]) -> bool:
    return any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def declared() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    words = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    return sorted(canonicalize_name(Requirement(word).name) for word in words)


def unexplained(names: list[str], decisions: str) -> list[str]:
    lines = re.findall(r"^- \*\*([A-Za-z0-9._-]+)\*\*: .{20,}$", decisions, re.MULTILINE)
    missing = [f"{name}: write what it is for into docs/decisions.md" for name in names if name not in lines]
    twice = [f"{name}: keep one of its lines in docs/decisions.md" for name in set(lines) if lines.count(name) > 1]
    gone = [f"{name}: take its line out of docs/decisions.md" for name in set(lines) - set(names)]
    return missing + twice + gone


def test_what_users_run_is_permissive() -> None:
    found = []
    for name, package in sorted(runtime().items()):
        words = {key: package.metadata.get_all(key) or [] for key in ("License-Expression", "Classifier", "License")}
        if not is_permissive(licence := licence_words(words)):
            found.append(f"{name} is under {licence!r}: use something permissive instead (see _PERMISSIVE)")
    assert not found, "\n".join(found)


def test_every_dependency_has_its_reason() -> None:
    found = unexplained(declared(), (ROOT / "docs" / "decisions.md").read_text())
    assert not found, "\n".join(found)


def test_the_closure_holds_what_it_must() -> None:
    names = set(runtime())
    assert {"fastapi", "sqlalchemy", "mcp", "typing-extensions"} <= names
    assert "pytest" not in names
    with pytest.raises(PackageNotFoundError):
        distribution("no-such-package")


def test_the_rules_can_fail() -> None:
    assert not is_permissive(licence_words({"License-Expression": ["GPL-3.0-only"]}))
    assert not is_permissive(licence_words({"License-Expression": ["MIT AND MPL-2.0"]}))
    assert not is_permissive(licence_words({}))
    assert not is_permissive(
        licence_words({"Classifier": ["License :: OSI Approved :: GNU General Public License (GPL)"]})
    )
    assert is_permissive(licence_words({"License-Expression": ["MIT OR GPL-2.0-only"]}))
    assert is_permissive(licence_words({"Classifier": ["License :: OSI Approved :: MIT License"]}))
    assert unexplained(["somelib"], "# Decisions")
    assert unexplained(["somelib"], "- **somelib**: short")
    assert unexplained([], "- **somelib**: what this is here for, in a line")
    assert not unexplained(["somelib"], "- **somelib**: what this is here for, in a line")
