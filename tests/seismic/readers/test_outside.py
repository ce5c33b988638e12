"""A DAS file cannot make its reader read other files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_seismic.readers.das import DasReader
from scionwood_seismic.readers.opening import open_file

SECRET = np.arange(12 * 64, dtype=np.float32).reshape(12, 64) + 0.5


@table("way", ["raw", "virtual", "virtual, source missing", "link"])
def test_samples_that_lie_in_another_file_are_refused(tmp_path: Path, way: str) -> None:
    path, secret = tmp_path / "fibre.h5", tmp_path / "elsewhere"
    DasReader.write_sample(path)
    with h5py.File(path) as file:
        name = next(n for n in _datasets(file) if file[n].shape == SECRET.shape)
    with h5py.File(path, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        if way == "raw":
            secret.write_bytes(SECRET.tobytes())
            file.create_dataset(name, SECRET.shape, "f4", external=[(str(secret), 0, 12 * 64 * 4)])
        else:
            if way != "virtual, source missing":
                with h5py.File(secret, "w") as other:
                    other["x"] = SECRET
            layout = h5py.VirtualLayout(SECRET.shape, "f4")
            layout[:] = h5py.VirtualSource(str(secret), "x", SECRET.shape)
            if way == "link":
                file[name] = h5py.ExternalLink(str(secret), "/x")
            else:
                file.create_virtual_dataset(name, layout)
        if way != "link":
            file[name].attrs.update(attributes)
    for opener in (DasReader, open_file):
        with pytest.raises(ReadError, match=r"fibre\.h5: HDF5: .*file.*Copy the data into one"):
            opener(path)


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda n, item: names.append(n) if isinstance(item, h5py.Dataset) else None)
    return names
