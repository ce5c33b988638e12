"""Files of VTK and OpenFOAM: images, rectilinear and structured grids, cells, cases."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from made import SPACE, Layout, Maker, by, states

RANDOM = np.random.default_rng(0)
SIDES = (6, 5, 4)
SPACING = (0.5, 0.25, 0.1)
ORIGIN = (1.0, 2.0, 3.0)
CELLS = (8, 6, 4)
"""Cells of a case of OpenFOAM."""

FOAM = "OpenFOAM 1912.200626 of Debian"
DEBIAN = "FOREIGN_DEBIAN"
"""The variable of the environment that names the folder of unpacked packages of Debian."""


def lines(sides: tuple[int, ...] = SIDES, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Return the points of a grid, or its cell centres with a shift of one half."""
    item = zip(SPACE, ORIGIN, SPACING, sides, strict=True)
    return {axis: low + step * (np.arange(side) + shift) for axis, low, step, side in item}


def _image(cells: bool) -> tuple[Any, dict[str, np.ndarray]]:
    """Return an image of vtk with a scalar and a vector, and their values (x, y, z)."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = vtkImageData()
    image.SetDimensions(*(side + cells for side in SIDES))
    image.SetOrigin(ORIGIN)
    image.SetSpacing(SPACING)
    values = {name: RANDOM.standard_normal(SIDES, np.float32) for name in ("p", "u", "v", "w")}
    flat = {name: value.ravel(order="F") for name, value in values.items()}
    data = image.GetCellData() if cells else image.GetPointData()
    for name, field in (("p", flat["p"]), ("U", np.stack([flat[c] for c in "uvw"], 1))):
        array = numpy_to_vtk(np.ascontiguousarray(field), deep=True)
        array.SetName(name)
        data.AddArray(array)
    names = {"p": "p", "u": "U_x", "v": "U_y", "w": "U_z"}
    return image, {names[name]: states(value, "x y z") for name, value in values.items()}


def image_appended(folder: Path) -> Layout:
    """A compressed image whose data stand at the end."""
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    image, values = _image(cells=False)
    writer = vtkXMLImageDataWriter()
    writer.SetFileName(str(folder / "image_appended.vti"))
    writer.SetInputData(image)
    writer.SetCompressorTypeToZLib()
    writer.SetDataModeToAppended()
    writer.Write()
    return Layout("image_appended.vti", "VTK image, compressed", by("vtk"), values, lines())


def image_cells(folder: Path) -> Layout:
    """An image with values on its cells, as text."""
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    image, values = _image(cells=True)
    writer = vtkXMLImageDataWriter()
    writer.SetFileName(str(folder / "image_cells.vti"))
    writer.SetInputData(image)
    writer.SetDataModeToAscii()
    writer.Write()
    points = lines(shift=0.5)
    return Layout(
        "image_cells.vti", "VTK image, cells, text", by("vtk"), values, points, rounding=1e-5
    )


def image_pieces(folder: Path) -> Layout:
    """An image in two pieces, as a parallel run writes it."""
    from vtkmodules.vtkIOParallelXML import vtkXMLPImageDataWriter

    image, values = _image(cells=False)
    writer = vtkXMLPImageDataWriter()
    writer.SetFileName(str(folder / "image_pieces.pvti"))
    writer.SetInputData(image)
    writer.SetNumberOfPieces(2)
    writer.SetStartPiece(0)
    writer.SetEndPiece(1)
    writer.Write()
    return Layout("image_pieces.pvti", "VTK image in pieces", by("vtk"), values, lines())


def image_hdf(folder: Path) -> Layout:
    """An image in the HDF5 format of VTK."""
    from vtkmodules.vtkIOHDF import vtkHDFWriter

    image, values = _image(cells=False)
    writer = vtkHDFWriter()
    writer.SetFileName(str(folder / "image.vtkhdf"))
    writer.SetInputData(image)
    if not writer.Write():
        raise RuntimeError("vtk wrote no image in HDF5")
    return Layout("image.vtkhdf", "VTK image, HDF5", by("vtk"), values, lines())


def structured(folder: Path) -> Layout:
    """A structured grid whose points form a box."""
    import pyvista

    image, values = _image(cells=False)
    pyvista.wrap(image).cast_to_structured_grid().save(folder / "box.vts")
    return Layout("box.vts", "VTK structured grid, a box", by("pyvista"), values, lines())


def curved(folder: Path) -> Layout:
    """A structured grid whose lines are curves."""
    import pyvista

    image, _ = _image(cells=False)
    grid = pyvista.wrap(image).cast_to_structured_grid()
    grid.points[:, 1] += 0.1 * np.sin(grid.points[:, 0])
    grid.save(folder / "curved.vts")
    return Layout("curved.vts", "VTK structured grid, curves", by("pyvista"), reason="curvilinear")


def hexahedra(folder: Path) -> Layout:
    """Cubes as an unstructured mesh, with values on points and on cells."""
    import meshio

    points = np.stack(np.meshgrid(*lines().values(), indexing="ij"), -1).reshape(-1, 3)
    number = np.arange(len(points)).reshape(SIDES)
    low, high = slice(None, -1), slice(1, None)
    corners = [(low, low), (high, low), (high, high), (low, high)]
    faces = [[number[(*corner, end)].ravel() for corner in corners] for end in (low, high)]
    cells = np.stack([*faces[0], *faces[1]], 1)
    values = RANDOM.standard_normal(len(cells))
    shape = tuple(side - 1 for side in SIDES)
    mesh = meshio.Mesh(points, [("hexahedron", cells)], cell_data={"heat": [values]})
    mesh.write(folder / "cubes.vtu")
    truth = {"heat": states(values.reshape(shape), "x y z")}
    return Layout("cubes.vtu", "VTK cells", by("meshio"), truth, lines(shape, 0.5))


def evtk(folder: Path) -> Layout:
    """An image of a solver that uses pyevtk."""
    from pyevtk.hl import imageToVTK

    p, (u, v, w) = RANDOM.standard_normal(SIDES), RANDOM.standard_normal((3, *SIDES))
    imageToVTK(str(folder / "evtk"), ORIGIN, SPACING, pointData={"p": p, "vel": (u, v, w)})
    names = {"p": p, "vel_x": u, "vel_y": v, "vel_z": w}
    values = {name: states(item, "x y z") for name, item in names.items()}
    return Layout("evtk.vti", "VTK image, raw", by("pyevtk"), values, lines())


def tensor_mesh(folder: Path) -> Layout:
    """A tensor mesh with cells of unequal width."""
    from discretize import TensorMesh

    mesh = TensorMesh([[1.0, 1, 2, 4], [1.0] * 4, [1.0] * 3])
    mesh.write_vtk(str(folder / "stretched.vtr"), {"sigma": RANDOM.random(mesh.nC)})
    reason = "axis x lie"
    return Layout("stretched.vtr", "VTK rectilinear, stretched", by("discretize"), reason=reason)


def tensor_even(folder: Path) -> Layout:
    """A tensor mesh with equal cells."""
    from discretize import TensorMesh

    mesh = TensorMesh([[0.5] * 5, [1.0] * 4, [2.0] * 3])
    sigma = RANDOM.random(mesh.nC)
    mesh.write_vtk(str(folder / "even.vtr"), {"sigma": sigma})
    values = {"sigma": states(sigma.reshape(mesh.shape_cells, order="F"), "x y z")}
    points = dict(
        zip(SPACE, (mesh.cell_centers_x, mesh.cell_centers_y, mesh.cell_centers_z), strict=True)
    )
    return Layout("even.vtr", "VTK rectilinear", by("discretize"), values, points)


def legacy(folder: Path) -> Layout:
    """The uniform grid that pyvista ships, with values on points and on cells."""
    import pyvista
    from pyvista import examples

    shutil.copy(examples.uniformfile, folder / "uniform.vtk")
    mesh = pyvista.read(examples.uniformfile)
    sides, low, step = mesh.dimensions, mesh.origin, mesh.spacing
    values = {
        name: states(np.asarray(mesh.point_data[name]).reshape(sides, order="F"), "x y z")
        for name in mesh.point_data
    }
    points = {a: low[i] + step[i] * np.arange(sides[i]) for i, a in enumerate(SPACE)}
    written = f"sample of {by('pyvista')}"
    options = {"fields": list(values), "reason": "Spatial Cell Data"}
    layout = Layout("uniform.vtk", "VTK legacy, points and cells", written, values, points)
    return Layout(
        **{**vars(layout), "options": {"fields": options["fields"]}, "reason": options["reason"]}
    )


def _foam(folder: Path, name: str, grading: str) -> dict[str, np.ndarray]:
    """Run the cavity of icoFoam in 3D; return U and p, (time, cell, component)."""
    root = Path(os.environ[DEBIAN])
    case = folder / name
    examples = root / "usr/share/doc/openfoam-examples/examples/incompressible/icoFoam"
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(examples / "cavity/cavity", case)
    _edit(case / "system/blockMeshDict", r"\(20 20 1\)", "({} {} {})".format(*CELLS))
    _edit(case / "system/blockMeshDict", r"Grading \(1 1 1\)", f"Grading {grading}")
    _edit(case / "system/blockMeshDict", r"0\.1\)", "0.5)")
    _edit(case / "system/blockMeshDict", r"type empty", "type wall")
    for field in ("U", "p"):
        kind = "noSlip" if field == "U" else "zeroGradient"
        _edit(case / "0" / field, r"type\s+empty", f"type {kind}")
    _edit(case / "system/controlDict", r"endTime\s+0.5", "endTime 0.2")
    places = ("usr/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/openfoam")
    libraries = ":".join(str(root / place) for place in places)
    environment = {"LD_LIBRARY_PATH": libraries, "WM_PROJECT_DIR": str(root / "usr/share/openfoam")}
    for program in ("blockMesh", "icoFoam"):
        command = [str(root / "usr/bin" / program)]
        subprocess.run(
            command, cwd=case, env=os.environ | environment, check=True, capture_output=True
        )
    (case / "case.foam").touch()
    times = ("0", "0.1", "0.2")
    return {f: np.stack([_list(case / time / f) for time in times]) for f in ("U", "p")}


def _edit(path: Path, pattern: str, text: str) -> None:
    path.write_text(re.sub(pattern, text, path.read_text()))


def _list(path: Path) -> np.ndarray:
    """Return the values of the cells in a file of OpenFOAM that is text."""
    inside = path.read_text().split("internalField")[1].split("boundaryField")[0]
    kind, _, content = inside.strip().partition(" ")
    if kind == "uniform":
        return np.tile(_numbers(content), (int(np.prod(CELLS)), 1))
    return _numbers(content.split("\n(", 1)[1]).reshape(int(np.prod(CELLS)), -1)


def _numbers(text: str) -> np.ndarray:
    return np.array(re.findall(r"-?\d[\d.e+-]*", text), np.float64)


def cavity(folder: Path) -> Layout:
    """The lid-driven cavity in 3D, at three times; x is the fastest axis of a block's cells."""
    written_case, sides = _foam(folder, "cavity", "(1 1 1)"), CELLS[::-1]
    values = {"p": written_case["p"].reshape(3, *sides)}
    values |= {f"U_{a}": written_case["U"][..., i].reshape(3, *sides) for i, a in enumerate(SPACE)}
    placed = {name: states(value, "time z y x") for name, value in values.items()}
    lengths = zip(SPACE, (0.1, 0.1, 0.05), sides[::-1], strict=True)
    points = {a: (np.arange(n) + 0.5) * length / n for a, length, n in lengths}
    points["time"] = np.array([0.0, 0.1, 0.2])
    return Layout("cavity/case.foam", "OpenFOAM", FOAM, placed, points, rounding=1e-6)


def graded(folder: Path) -> Layout:
    """The cavity with cells that shrink towards a wall."""
    _foam(folder, "graded", "(4 1 1)")
    return Layout("graded/case.foam", "OpenFOAM, graded", FOAM, reason="axis x lie")


MAKERS: tuple[Maker, ...] = (
    image_appended,
    image_cells,
    image_pieces,
    image_hdf,
    structured,
    curved,
    hexahedra,
    evtk,
    tensor_even,
    tensor_mesh,
    legacy,
    cavity,
    graded,
)
