"""Which reader opens a file, and that it cannot be made to read others outside its folder."""

import os

import h5py
import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_crash.readers import open_series
from scionwood_crash.readers.dispatch import reader_of
from scionwood_crash.readers.dyna import DynaReader
from scionwood_crash.readers.keyword import KeywordReader
from scionwood_crash.readers.meshio import MeshReader
from scionwood_crash.readers.store import ZarrReader
from scionwood_crash.readers.vtk_series import VtkSeriesReader

SECRET = 7654.25


@pytest.mark.parametrize("absolute", [True, False])
def test_a_chunk_that_is_a_link_out_of_the_store_is_refused(tmp_path, absolute):
    path, secret = tmp_path / "run.zarr", tmp_path / "secret"
    ZarrReader.write_sample(path)
    chunk = path / "mesh_pos" / "0.0.0"
    chunk.rename(secret)
    chunk.symlink_to(secret if absolute else os.path.relpath(secret, chunk.parent))
    with pytest.raises(
        ReadError, match=r"0\.0\.0: Zarr: it leads to .*secret, outside of"
    ) as error:
        open_series(path)
    assert error.value.remedy == "Copy the file itself there"
    chunk.unlink()
    secret.rename(path / "mesh_pos" / "kept")
    chunk.symlink_to("kept")  # a link inside the store is no danger
    assert len(open_series(path)) == len(ZarrReader(path))


@table(
    "line",
    [
        "*INCLUDE, INPUT={secret}",
        "*Include,input={name}",
        "INCLUDE, INPUT={secret}",  # meshio needs no asterisk
        " **INCLUDE , input=../{name}",
    ],
)
def test_an_include_of_abaqus_is_refused(tmp_path, line):
    secret = tmp_path / "secret.inp"
    secret.write_text(f"*NODE\n1, {SECRET}, 0, 0\n")
    path = tmp_path / "model.inp"
    MeshReader.write_sample(path)
    included = line.format(secret=secret, name=secret.name)
    path.write_text(f"{path.read_text()}*STEP\n{included}\n")
    with pytest.raises(ReadError, match=r"model\.inp: Abaqus: line \d+ includes another file") as e:
        open_series(path, thickness=1.0)
    assert str(SECRET) not in str(e.value)
    assert e.value.remedy == "Write the model out as one file"


@table("way", ["raw", "virtual", "link"])
def test_coordinates_of_med_in_another_file_are_refused(tmp_path, way):
    path, secret = tmp_path / "model.med", tmp_path / "secret"
    MeshReader.write_sample(path)
    with h5py.File(path, "r+") as file:
        (mesh,) = file["ENS_MAA"].values()
        place = mesh["NOE"] if "NOE" in mesh else next(iter(mesh.values()))["NOE"]
        count, attributes = place["COO"].size, dict(place["COO"].attrs)
        del place["COO"]
        if way == "raw":
            secret.write_bytes(np.full(count, SECRET).tobytes())
            place.create_dataset("COO", (count,), "f8", external=[(str(secret), 0, 8 * count)])
        else:
            with h5py.File(secret, "w") as other:
                other["x"] = np.full(count, SECRET)
        if way == "virtual":
            layout = h5py.VirtualLayout((count,), "f8")
            layout[:] = h5py.VirtualSource(str(secret), "x", (count,))
            place.create_virtual_dataset("COO", layout)
        if way == "link":
            place["COO"] = h5py.ExternalLink(str(secret), "/x")
        else:
            place["COO"].attrs.update(attributes)
    with pytest.raises(
        ReadError, match=r"model\.med: MED: .*file.*Copy the data into one"
    ) as error:
        open_series(path)
    assert str(SECRET) not in str(error.value)


def test_chooses_the_reader_by_suffix_or_content(tmp_path):
    for reader in (DynaReader, KeywordReader, MeshReader, VtkSeriesReader, ZarrReader):
        path = tmp_path / f"file{reader.suffixes[0]}"
        reader.write_sample(path)
        assert reader_of(path) is reader
        if reader is not MeshReader:
            bare = tmp_path / f"{reader.__name__}.out"
            bare.write_bytes(path.read_bytes())
            assert reader_of(bare) is reader
    assert reader_of(tmp_path / "run3_d3plot") is DynaReader
    (tmp_path / "a.txt").write_text("Dear colleague")
    with pytest.raises(ReadError, match="its format is unknown"):
        reader_of(tmp_path / "a.txt")
    with pytest.raises(ReadError, match="there is no such file"):
        reader_of(tmp_path / "none.txt")
