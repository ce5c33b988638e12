"""A reader that asks the libraries without any check, to show what the walls of a child stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import scionwood


class RawReader(scionwood.Reader):
    """One record: the values that a library finds at a place of a file."""

    suffixes = (".raw",)
    dims = ("value",)
    units = {"data": "unknown"}  # noqa: RUF012

    def __init__(self, path, *, library="text", place=""):
        self.path, self.library, self.place = Path(path), library, place

    def __len__(self):
        return 1

    def __iter__(self):
        yield self.read(0)

    def read(self, index):
        values = getattr(self, f"_{self.library}")()
        return scionwood.Record({"index": index}, np.asarray(values, "float64").ravel())

    @classmethod
    def write_sample(cls, path):
        path.write_text("1 2", "utf-8")

    def rewrite(self, target, function, *, overwrite=False):
        raise NotImplementedError

    def _text(self):
        return [float(word) for word in self.path.read_text("utf-8").split()]

    def _h5py(self):
        import h5py

        with h5py.File(self.path) as file:
            return file[self.place][()]

    def _abaqus(self):
        import meshio

        return meshio.abaqus.read(str(self.path)).points

    def _zarr(self):
        import zarr

        return zarr.open_group(self.path, mode="r")[self.place][:]

    def _pydicom(self):
        import pydicom

        return pydicom.dcmread(self.path / self.place).pixel_array
