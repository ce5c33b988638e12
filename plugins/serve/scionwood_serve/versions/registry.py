"""Which version of each adapter is live, which are kept, and which are in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.snapshot import Version

VERSIONS_KEPT = 2
"""Versions of an adapter that stay in memory after they were replaced."""


class VersionRegistry:
    """The versions of all adapters; the HTTP process holds it, and it alone switches.

    Args:
        versions: the first version of each adapter.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_serve import VersionRegistry, take_version
        >>> registry = VersionRegistry([take_version("seismic/denoise", Path("held"))])
        >>> registry.find("seismic").name
        'denoise'
    """

    def __init__(self, versions: list[Version]) -> None:
        self._of: dict[str, list[Version]] = {}  # the live one last
        self._used: Counter[tuple[str, str]] = Counter()
        for version in versions:
            if version.name in self._of:
                rule = "two adapters have this name"
                raise ServingError(f"adapter {version.name!r}", rule, "Name one: NAME=RUN")
            self._of[version.name] = [version]

    def live(self) -> list[Version]:
        """Return the live version of each adapter."""
        return [versions[-1] for versions in self._of.values()]

    def loaded(self) -> list[Version]:
        """Return every version that a worker should hold."""
        return [version for versions in self._of.values() for version in versions]

    def find(self, field: str, reference: str = "") -> Version:
        """Return the version that a request asks for.

        Args:
            field: the plugin of the service.
            reference: `NAME` for the live version, `NAME@VERSION`; empty if there is one adapter.

        Raises:
            ServingError: there is no such adapter or version, or several are possible.
        """
        mine = {v.name: v for v in self.live() if field in v.fields}
        name, at, version = reference.partition("@")
        if not name:
            if len(mine) == 1:
                return next(iter(mine.values()))
            rule = f"the field has {len(mine)} adapters: {', '.join(mine) or 'none'}"
            raise ServingError(f"field {field!r}", rule, "Name one: ?adapter=NAME", 404)
        if name not in mine:
            rule = f"the field {field} has: {', '.join(mine) or 'none'}"
            raise ServingError(f"adapter {name[:80]!r}", rule, "See: /adapters", 404)
        if not at:
            return mine[name]
        for candidate in self._of[name]:
            if candidate.version == version:
                return candidate
        rule = f"it is not held; the live version is {mine[name].version}"
        raise ServingError(f"{reference[:120]!r}", rule, "Leave @VERSION out, or ask again", 404)

    @contextmanager
    def using(self, version: Version) -> Iterator[None]:
        """Keep a version loaded while a request that asked for it is under way."""
        key = (version.name, version.version)
        self._used[key] += 1
        try:
            yield
        finally:
            self._used[key] -= 1

    def switch(self, version: Version) -> None:
        """Make a version live; requests that are under way keep theirs."""
        others = [v for v in self._of.get(version.name, []) if v.version != version.version]
        self._of[version.name] = [*others, version]

    def surplus(self) -> list[Version]:
        """Forget versions that were replaced long ago and are not in use, and return them."""
        gone = []
        for versions in self._of.values():
            old = versions[: -1 - VERSIONS_KEPT]
            gone += [v for v in old if not self._used[v.name, v.version]]
        for version in gone:
            self._of[version.name].remove(version)
        loaded_versions = {version.version for version in self.loaded()}
        return [version for version in gone if version.version not in loaded_versions]
