"""Files whose arrays have named dims and which xarray opens: NetCDF and Zarr."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import xarray as xr

from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.layout import ORDER, Layout
from scionwood_pde.readers.variables import layout_from

OPTIONS: Mapping[str, Any] = {
    "chunks": None,  # numpy arrays: dask takes four times as long for a crop
    "cache": False,
    "decode_times": False,
    "create_default_indexes": False,  # indexes would be read before their size is checked
}
"""Options of `xarray.open_dataset`."""


class LabelledReader(StatesReader, ABC):
    """A reader of files with named dims: each variable over all space axes is a field."""

    takes = ("dims",)

    @abstractmethod
    def _dataset(self) -> AbstractContextManager[xr.Dataset]:
        """Open the file with xarray and `OPTIONS`."""

    @contextmanager
    def _open(self) -> Iterator[Mapping[str, Any]]:
        with self._dataset() as dataset:
            variables = {str(name): variable for name, variable in dataset.variables.items()}
            listed = np.atleast_1d(dataset.attrs.get(ORDER, []))
            first = [str(name) for name in listed if name in variables]
            others = sorted(variables.keys() - set(first))  # a folder lists arrays in any order
            yield Variables({n: variables[n] for n in [*first, *others]}, dataset.attrs)

    def _layout(self, variables: Mapping[str, Any]) -> Layout:
        return layout_from(variables, self.path, self.format, self.placed)


class Variables(dict[str, Any]):
    """The variables of a file by name, with the attributes of the file."""

    def __init__(self, variables: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        super().__init__(variables)
        self.attrs = attrs
