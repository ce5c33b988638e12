"""Samples of further formats of the readers, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path

from scionwood_crash.readers.meshio import MeshReader
from scionwood_crash.readers.sample import sample_series
from scionwood_crash.readers.vtk_series import VtkSeriesReader
from scionwood_crash.readers.vtk_write import write_pvd
from scionwood_kit import Parser


class Decks(Parser):
    """Meshes of Abaqus and Nastran, which state no thickness."""

    suffixes = (".inp", ".bdf")

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the positions of each state."""
        with MeshReader(path, thickness=1.0) as reader:
            return [record.data for record in reader]

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write the sample of `MeshReader`."""
        MeshReader.write_sample(path)


class Collections(Parser):
    """Series of VTU files that a PVD file lists."""

    suffixes = (".pvd",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the positions of each state."""
        with VtkSeriesReader(path) as reader:
            return [record.data for record in reader]

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a small seeded mesh of parts that bends."""
        write_pvd(sample_series(), path, overwrite=True)
