"""The versions that a worker holds in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from scionwood import load_run
from scionwood.authoring import LoadedRun
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.snapshot import Version
from scionwood_serve.worker.sharing import Pool


class Holding:
    """Loaded versions by their hash; all of them share the tensors of their bases.

    Args:
        device: where the models compute.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.random = threading.Lock()
        """Held by whoever draws random numbers: a load, which builds a backbone, and sampling."""
        self._runs: dict[str, LoadedRun] = {}
        self._pool = Pool()

    def load(self, version: Version) -> None:
        """Load a version beside the others; nothing that is served changes.

        Raises:
            ScionwoodError: the run is damaged, or its base is not here.
        """
        if version.version in self._runs:
            return
        with self.random:
            task = load_run(version.folder, self.device)
        self._pool.share(task)
        self._runs[version.version] = LoadedRun(version.folder, task)

    def share(self, model: nn.Module, *, frozen: bool) -> None:
        """Let another model use the tensors of the versions; see `Pool.share`."""
        self._pool.share(model, frozen=frozen)

    def drop(self, versions: list[str]) -> None:
        """Forget versions, and the tensors that only they had."""
        for version in versions:
            self._runs.pop(version, None)
        self._pool.forget([run.task for run in self._runs.values()])

    @contextmanager
    def lent(self, version: str) -> Iterator[LoadedRun]:
        """Lend a version to a service.

        Raises:
            ServingError: the version is not held.
        """
        run = self._runs.get(version)
        if run is None:
            raise ServingError(f"version {version}", "it is not held any more", "Ask again", 410)
        with run.as_current():
            yield run
