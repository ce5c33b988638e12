"""The licences of the packages that Scionwood brings, from the metadata of what is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from typing import NamedTuple, final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from reference import Written
from sphinx.application import Sphinx

PROJECT = "scionwood"


@final
class Package(NamedTuple):
    """A package that an installation brings.

    Attributes:
        name: the name of the distribution.
        version: the version that is installed here.
        licence: an SPDX expression, or the licence in the author's words.
        users: the distributions of Scionwood that bring it, directly or through others.
    """

    name: str
    version: str
    licence: str
    users: tuple[str, ...]


def packages(roots: Iterable[str]) -> list[Package]:
    """Return the packages that distributions bring, by name, the distributions left out.

    Args:
        roots: names of installed distributions.
    """
    installed = {canonicalize_name(each.metadata["Name"]): each for each in distributions()}
    users: dict[str, list[str]] = {}
    for root in sorted(roots):
        for name in _closure(installed, root):
            users.setdefault(name, []).append(root)
    return [
        Package(name, installed[name].version, _licence(installed[name]), tuple(users[name]))
        for name in sorted(users)
        if name not in roots
    ]


def _closure(installed: dict[str, Distribution], root: str) -> set[str]:
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in installed:
            seen.add(name)
            waiting += _needed(installed[name])
    return seen


def _needed(distribution: Distribution) -> Iterator[str]:
    for line in distribution.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def _licence(distribution: Distribution) -> str:
    about = distribution.metadata
    if expression := about.get("License-Expression"):
        return str(expression)
    classes = [c.split(" :: ") for c in about.get_all("Classifier", []) if c.startswith("License")]
    named = [parts[-1] for parts in classes if len(parts) > 2]
    return ", ".join(named) or (about.get("License") or "not stated").splitlines()[0][:60]


def licences() -> Iterator[str]:
    """Write the table of packages, with the parts of Scionwood that bring each."""
    roots = [e.metadata["Name"] for e in distributions() if e.metadata["Name"].startswith(PROJECT)]
    yield "| package | here | licence | brought by |"
    yield "|---|---|---|---|"
    for package in packages(roots):
        users = "all" if PROJECT in package.users else ", ".join(package.users)
        yield f"| {package.name} | {package.version} | {package.licence} | {users} |"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("licences", type("licences", (Written,), {"write": staticmethod(licences)}))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
