"""A sample of a run's normaliser, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path

from scionwood_kit import Parser
from scionwood_pde.data.normaliser import Normaliser


class Normalisers(Parser):
    """The normaliser in a run folder."""

    suffixes = (".run",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the normaliser."""
        return Normaliser.read(path)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a run folder with the normaliser of two fields."""
        path.mkdir()
        Normaliser(("vx", "density"), (0.0, 1.0), (1.0, 0.5), 0.05, "s").write(path)
