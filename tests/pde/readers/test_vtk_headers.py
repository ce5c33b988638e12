"""XML of VTK: all its encodings are read, and sizes that kill its library are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_kit import replay
from scionwood_pde.readers.vtk_grids import VtkReader

CORPUS = Path(__file__).parents[2] / "core" / "fuzzing" / "corpus"


@table("mode", ["Ascii", "Binary", "Appended"])
@table("order", ["BigEndian", "LittleEndian"])
@table("codec", ["None", "ZLib", "LZ4", "LZMA"])
def test_every_encoding_of_vtk_itself_is_read(
    tmp_path: Path, mode: str, order: str, codec: str
) -> None:
    pyvista = pytest.importorskip("pyvista")
    vtk = pytest.importorskip("vtkmodules.vtkIOXML")
    for end, bits in ((".vti", 32), (".vtr", 64)):
        path = tmp_path / f"a{end}"
        VtkReader.write_sample(path)
        whole = [record.data for record in VtkReader(path)]
        writer = vtk.vtkXMLImageDataWriter() if end == ".vti" else vtk.vtkXMLRectilinearGridWriter()
        writer.SetInputData(pyvista.read(path))
        writer.SetFileName(str(path))
        getattr(writer, f"SetDataModeTo{mode}")()
        getattr(writer, f"SetByteOrderTo{order}")()
        getattr(writer, f"SetCompressorTypeTo{codec}")()
        getattr(writer, f"SetHeaderTypeToUInt{bits}")()
        writer.SetEncodeAppendedData(bits == 64)
        writer.Write()
        for again, record in zip(whole, VtkReader(path), strict=True):
            np.testing.assert_array_equal(again, record.data)


@table("case", sorted(CORPUS.glob("pde-vtk-*.json")), ids=lambda path: path.stem)
def test_a_file_that_killed_vtk_is_refused(case: Path) -> None:
    pytest.importorskip("pyvista")
    reading = replay(case)
    assert reading.kind == "refused", reading


def test_the_error_names_the_array(tmp_path: Path) -> None:
    pytest.importorskip("pyvista")
    path = tmp_path / "a.vti"
    VtkReader.write_sample(path)
    path.write_bytes(path.read_bytes().replace(b'Components="3"', b'Components="3000000000"', 1))
    with pytest.raises(ReadError, match="array 'u' has no number of components from 1 to 1024"):
        VtkReader(path)
