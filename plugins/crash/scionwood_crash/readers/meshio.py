"""Read meshes of other programs through meshio: Abaqus, Nastran, MED."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import h5py
import meshio
import numpy as np

from scionwood import ReadError
from scionwood.authoring import atomic_path, check_hdf5
from scionwood_crash.parts.mesh import Frame, ShellMesh
from scionwood_crash.readers.abaqus import read_abaqus
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.nastran import read_nastran
from scionwood_crash.readers.sample import sample_series

_MODULES = {
    ".med": "med",  # the first is that of the sample, and holds a thickness
    ".bdf": "nastran",
    ".nas": "nastran",
    ".fem": "nastran",
    ".inp": "abaqus",
}
_SHELLS = {"triangle": 3, "quad": 4}
_OTHERS = ("vertex", "line", "tetra", "hexahedron", "wedge", "pyramid")
_PARTS = ("part_id", "nastran:ref", "cell_tags")


@final
class MeshReader(CrashReader):
    """Reads Abaqus (.inp), Nastran (.bdf, .nas, .fem) and MED: a series of one state.

    The part is `part_id`, the property of Nastran or the family of MED, or else the number of the
    first element set, from 1.

    Nastran is read by this package, with node and element numbers and the thickness of PSHELL. The
    other formats are read by meshio, which has limits. Of Abaqus it gets the shells of three and
    four nodes; see `readers.abaqus`. It does not return node and element numbers, so these count
    from 1, nor the thickness of Abaqus. A truncated Abaqus file may be read without error if its
    last line is complete.

    Args:
        path: the file.
        units: such as `mm, ms, kg`; these formats do not state them.
        thickness: thickness of shells if the file has no cell field `thickness`.

    Shapes: positions, (node, xyz) float64.

    Units: those of the model, which the user states.

    Raises: ReadError, for a damaged file, elements with midside nodes, no shells, missing
        thickness, an Abaqus *INCLUDE, a Nastran file without cards, or MED data that are stored
        in another file.

    Source: meshio 5.3.
    """

    suffixes = tuple(_MODULES)
    format = "mesh (.inp, .bdf, .med)"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a strip of three parts with triangles."""
        mesh = sample_series().mesh
        quads = ~mesh.triangles
        cells = [("quad", mesh.cells[quads]), ("triangle", mesh.cells[~quads, :3])]
        data = {
            "thickness": [mesh.thickness[quads], mesh.thickness[~quads]],
            "part_id": [mesh.part_ids[quads], mesh.part_ids[~quads]],
        }
        sample = meshio.Mesh(mesh.points.astype(np.float64), cells, cell_data=data)
        _module(path).write(str(path), sample)

    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        if not self.path.is_file():
            raise FileNotFoundError(self.path)
        _check_alone(self.path)
        content = self._content = self._read_content()
        shell_blocks = [
            number for number, block in enumerate(content.cells) if self._is_shell(block.type)
        ]
        parts = [np.asarray(content.cells[number].data, np.int64) for number in shell_blocks]
        cells = np.concatenate(
            [np.empty((0, 4), np.int64)]
            + [part if part.shape[1] == 4 else part[:, [0, 1, 2, 2]] for part in parts]
        )
        points = np.zeros((len(content.points), 3))
        points[:, : content.points.shape[1]] = content.points
        thickness = self._on_cells(("thickness",), shell_blocks, np.zeros(len(cells)))
        mesh = ShellMesh.build(
            points,
            cells,
            0.0,
            part_ids=self._on_cells(_PARTS, shell_blocks, self._sets(shell_blocks)),
            node_ids=getattr(content, "points_id", None),
            element_ids=np.concatenate(content.cells_id)
            if content.__dict__.get("cells_id")
            else None,
            units=self._units(None),
        )
        return self._with_thickness(mesh, thickness), np.zeros(1)

    def _read_content(self) -> Any:
        if self.path.suffix.lower() == ".inp":
            return read_abaqus(self.path)
        if _MODULES.get(self.path.suffix.lower()) != "nastran":
            return _module(self.path).read(str(self.path))
        content: Any = read_nastran(self.path)
        if content.others and content.cells:
            names = ", ".join(f"{count} {name}" for name, count in sorted(content.others.items()))
            warnings.warn(f"{self.path.name}: {names} are left out", stacklevel=2)
        return content

    def _frame(self, index: int) -> Frame:
        alive = np.ones(len(self.mesh.cells), bool)
        return Frame(np.zeros_like(self.mesh.points), alive)

    def _is_shell(self, kind: str) -> bool:
        if kind not in _SHELLS and kind not in _OTHERS:
            rule = f"{self.format}: elements {kind!r} are not supported"
            raise ReadError(
                str(self.path), rule, "Export triangles and quads without midside nodes"
            )
        if kind in _OTHERS:
            text = f"{self.path.name}: {kind} elements are left out"
            warnings.warn(text, stacklevel=2)
        return kind in _SHELLS

    def _on_cells(
        self, names: tuple[str, ...], shell_blocks: list[int], default: np.ndarray
    ) -> np.ndarray:
        for name in names:
            if name in self._content.cell_data and shell_blocks:
                values = self._content.cell_data[name]
                return np.concatenate(
                    [np.asarray(values[number]).ravel() for number in shell_blocks]
                )
        return default

    def _sets(self, shell_blocks: list[int]) -> np.ndarray:
        """Return the number of each element's first element set, (element,), from 1."""
        blocks = [
            np.zeros(len(self._content.cells[number].data), np.int64) for number in shell_blocks
        ]
        for count, chosen in enumerate(self._content.cell_sets.values(), 1):
            for values, number in zip(blocks, shell_blocks, strict=True):
                members = np.asarray(chosen[number] if len(chosen) > number else [], np.int64)
                values[members] = np.where(values[members] == 0, count, values[members])
        set_numbers = np.concatenate([np.empty(0, np.int64), *blocks])
        return np.where(set_numbers == 0, 1, set_numbers)

    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        with atomic_path(target, overwrite=overwrite) as part:
            (after,) = list(states)
            if np.array_equal(after, self.mesh.points):
                shutil.copyfile(self.path, part)
                return
            moved = self._content.copy()
            moved.points = after[:, : self._content.points.shape[1]]
            _module(self.path).write(str(part), moved)


def _check_alone(path: Path) -> None:
    """Refuse a file that takes its content from other files.

    Raises:
        ReadError: an Abaqus *INCLUDE, or HDF5 (MED) data that are stored in another file.
    """
    if path.suffix.lower() == ".med":
        with h5py.File(path) as file:
            check_hdf5(path, file, "MED")
    if path.suffix.lower() != ".inp":
        return
    with path.open(encoding="latin-1") as text:
        for number, line in enumerate(text, 1):
            # The condition of meshio, which would look in the working directory first.
            if line.partition(",")[0].strip().replace("*", "").upper() == "INCLUDE":
                rule = f"Abaqus: line {number} includes another file ({line.strip()[:80]})"
                raise ReadError(str(path), rule, "Write the model out as one file")


def _module(path: Path) -> Any:
    # The modules are called directly, because meshio.read exits if a file is damaged.
    name = _MODULES.get(path.suffix.lower())
    if name is None:
        rule = f"{path.suffix or 'no suffix'} is not a supported mesh format"
        raise ReadError(str(path), rule, f"Supported suffixes: {', '.join(_MODULES)}")
    return getattr(meshio, name)
