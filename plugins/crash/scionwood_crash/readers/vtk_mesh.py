"""Read the mesh and the fields of one VTU or VTP file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError
from scionwood_crash.readers.vtk_decode import VtkFile
from scionwood_crash.readers.vtk_encode import QUAD, TRIANGLE

OTHERS = {1: "vertex", 3: "line", 10: "tetrahedron", 12: "hexahedron", 13: "wedge", 14: "pyramid"}


@final
@dataclass(frozen=True)
class VtkMesh:
    """The shells of a file; cells of other kinds are left out with a warning.

    Attributes:
        file: the parsed file.
    """

    file: VtkFile

    @classmethod
    def open(cls, path: Path) -> VtkMesh:
        """Parse a file.

        Raises:
            ReadError: the file is damaged, or holds cells of an unknown kind.
        """
        mesh = cls(VtkFile.open(path))
        if (mesh._ends < 0).any() or (np.diff(mesh._ends, prepend=0) < 0).any():
            raise ReadError(
                str(path), "VTK: offsets of cells decrease", "Is it damaged? Copy it again"
            )
        return mesh

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return self.file.count("NumberOfPoints")

    @cached_property
    def points(self) -> np.ndarray:
        """Points (node, 3), in the precision of the file."""
        return self.file.array("Points", None, self.nodes)

    @cached_property
    def cells(self) -> np.ndarray:
        """Cells (element, 4) int64; a triangle repeats its last node."""
        ends = self._ends[self._shells]
        sizes = np.diff(self._ends, prepend=0)[self._shells]
        nodes = self.file.array(self._section, "connectivity", self._total)
        if not len(ends):
            return np.empty((0, 4), np.int64)
        at = (ends - sizes)[:, None] + np.minimum(np.arange(4), sizes[:, None] - 1)
        return np.asarray(nodes[at], np.int64)

    def on_points(self, name: str) -> np.ndarray:
        """Return a point field, (node,) or (node, component)."""
        return self.file.array("PointData", name, self.nodes)

    def on_cells(self, name: str) -> np.ndarray:
        """Return a cell field of shells, (element,) or (element, component)."""
        others = 0
        if self.file.kind == "PolyData":
            others = self.file.count("NumberOfVerts") + self.file.count("NumberOfLines")
        values = self.file.array("CellData", name, others + len(self._ends))
        return np.asarray(values[others:][self._shells])

    def has(self, section: str, name: str) -> bool:
        """Return whether a section has an array."""
        return name in self.file.names(section)

    @property
    def _section(self) -> str:
        return "Polys" if self.file.kind == "PolyData" else "Cells"

    @property
    def _total(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @cached_property
    def _ends(self) -> np.ndarray:
        poly = self.file.kind == "PolyData"
        if poly and self.file.count("NumberOfStrips"):
            rule = "VTP: triangle strips are not supported"
            raise ReadError(str(self.file.path), rule, "Save it with the filter Triangulate")
        count = self.file.count("NumberOfPolys" if poly else "NumberOfCells")
        return self.file.array(self._section, "offsets", count).astype(np.int64)

    @cached_property
    def _shells(self) -> np.ndarray:
        sizes = np.diff(self._ends, prepend=0)
        if self.file.kind == "PolyData":
            kinds = np.where(sizes == 3, TRIANGLE, np.where(sizes == 4, QUAD, 0))
        else:
            kinds = self.file.array("Cells", "types", len(sizes)).astype(np.int64)
        unknown = set(kinds.tolist()) - {TRIANGLE, QUAD, *OTHERS}
        if unknown:
            rule = f"VTK: cells of type {', '.join(map(str, sorted(unknown)))} are not supported"
            raise ReadError(str(self.file.path), rule, "Export triangles and quads of four nodes")
        other = sorted({OTHERS[kind] for kind in set(kinds.tolist()) & set(OTHERS)})
        if other:
            text = f"{self.file.path.name}: {', '.join(other)} cells are left out"
            warnings.warn(text, stacklevel=2)
        shells = (kinds == TRIANGLE) | (kinds == QUAD)
        expected = np.where(kinds == TRIANGLE, 3, 4)
        if (sizes[shells] != expected[shells]).any():
            rule = "VTK: the offsets of cells do not match their types"
            raise ReadError(str(self.file.path), rule, "Is it damaged? Copy it again")
        return np.asarray(shells)
