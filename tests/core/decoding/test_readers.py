"""Every installed reader gives the same from a child as inline, and follows no link out."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import scionwood
from scionwood_sandbox import enforced, open_in_child

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the reader service needs Linux"),
    pytest.mark.slow,
]
FILES = pytest.mark.skipif(
    not all(whether for whether, _ in enforced()), reason="this kernel has no Landlock or seccomp"
)
NAMES = [
    f"{entry.name}/{name}"
    for entry in scionwood.authoring.plugins()
    if entry.plugin
    for name in entry.plugin.readers
]


def records(reader):
    return [(dict(record.key), record.data.copy(), dict(record.coords)) for record in reader]


def assert_same(before, after):
    assert len(before) == len(after)
    for (key, data, coords), (key_2, data_2, coords_2) in zip(before, after, strict=True):
        assert key == key_2
        assert data.dtype == data_2.dtype
        np.testing.assert_array_equal(data, data_2)
        assert coords.keys() == coords_2.keys()
        for axis, values in coords.items():
            np.testing.assert_array_equal(values, coords_2[axis])


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", NAMES)
def test_a_child_gives_the_same_records_attributes_and_copies(name, tmp_path):
    cls = scionwood.load("readers", name)
    path = tmp_path / f"a{cls.suffixes[0]}"
    cls.write_sample(path)
    options = {"thickness": 1.0} if cls.__name__ == "MeshReader" else {}
    copies = tmp_path / "inline", tmp_path / "child"
    with cls(path, **options) as inline, open_in_child(cls, path, **options) as remote:
        assert isinstance(remote, cls)
        assert_same(records(inline), records(remote))
        assert len(inline) == len(remote)
        for attribute in ("dims", "dtype"):
            assert getattr(inline, attribute) == getattr(remote, attribute)
        assert dict(inline.units) == dict(remote.units)
        for folder, reader in zip(copies, (inline, remote), strict=True):
            folder.mkdir()
            reader.rewrite(folder / path.name, lambda record: record.data.copy() * 0.5)
    assert contents(copies[0]) == contents(copies[1])


def linked(kind, path, secret):
    """Replace the data of a DAS sample by a reference to a file outside its folder."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "r+") as file:
        found = []
        file.visititems(lambda name, item: found.append(name) if np.ndim(item) == 2 else None)
        name = found[0]
        shape, dtype, marks = file[name].shape, file[name].dtype, dict(file[name].attrs)
        values = np.full(shape, 1234, dtype)
        del file[name]
        if kind == "raw storage":
            values.tofile(secret)
            outside = [(str(secret), 0, values.nbytes)]
            made = file.create_dataset(name, shape, dtype, external=outside)
        else:
            with h5py.File(secret, "w") as other:
                other["d"] = values
            layout = h5py.VirtualLayout(shape, dtype)
            layout[:] = h5py.VirtualSource(str(secret), "d", shape)
            made = file.create_virtual_dataset(name, layout)
        made.attrs.update({key: mark for key, mark in marks.items() if key != "DIMENSION_LIST"})


@FILES
@pytest.mark.parametrize("kind", ["raw storage", "virtual data set"])
def test_no_hdf5_file_leads_a_child_to_another_file(kind, tmp_path):
    if "seismic/das" not in NAMES:
        pytest.skip("the reader of DAS is not installed")
    cls = scionwood.load("readers", "seismic/das")
    (tmp_path / "in").mkdir()
    path, secret = tmp_path / "in" / "a.h5", tmp_path / "secret"
    cls.write_sample(path)
    linked(kind, path, secret)
    try:
        with open_in_child(cls, path) as reader:
            read = [value for record in reader for value in np.unique(record.data)]
    except scionwood.ReadError:
        read = []
    assert 1234 not in read


@FILES
def test_no_link_in_a_store_leads_a_child_to_another_file(tmp_path):
    if "crash/zarr" not in NAMES:
        pytest.skip("the reader of Zarr is not installed")
    cls = scionwood.load("readers", "crash/zarr")
    path = tmp_path / "in" / "a.zarr"
    path.parent.mkdir()
    cls.write_sample(path)
    chunks = [item for item in path.rglob("*") if item.is_file() and "/c/" in str(item)]
    chunk = max(chunks or [item for item in path.rglob("*") if item.is_file()],
                key=lambda item: item.stat().st_size)  # fmt: skip
    chunk.rename(tmp_path / "secret")
    chunk.symlink_to(tmp_path / "secret")
    with pytest.raises(scionwood.ReadError), open_in_child(cls, path) as reader:
        list(reader)
