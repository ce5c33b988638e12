"""The backend of xarray: `xarray.open_dataset(path, engine="scionwood")`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, ClassVar, final

import xarray as xr
from xarray.backends import BackendEntrypoint

from scionwood import ReadError


@final
class ScionwoodBackend(BackendEntrypoint):
    """Open files of simulations in all layouts that the readers of this plugin know.

    A dataset has one variable for each channel, over `sample`, `time`, `x`, `y`, `z`. Its values
    are read when they are used. `chunks={}` makes them arrays of dask.

    Example:
        >>> import xarray
        >>> flow = xarray.open_dataset("flow.hdf5", engine="scionwood")  # doctest: +SKIP
    """

    description = "simulations of PDEs: The Well, PDEBench, JHTDB, APEBench, VTK, plain HDF5 ..."
    open_dataset_parameters: ClassVar[tuple[str, ...] | None] = (
        "filename_or_obj",
        "drop_variables",
        "fields",
        "dims",
        "rename",
        "solids",
        "axes",
        "decode_times",
        "use_cftime",
    )

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        fields: Sequence[str] | None = None,
        dims: Mapping[str, str] | None = None,
        rename: Mapping[str, str] | None = None,
        solids: bool = False,
        axes: Mapping[str, str] | None = None,
        decode_times: bool = True,
        use_cftime: bool | None = None,
    ) -> xr.Dataset:
        """Open a file.

        Args:
            filename_or_obj: the path of a file or folder, a URL, an open file, or a store of Zarr.
            drop_variables: names of channels to leave out.
            fields: names of the channels, in the order wanted; by default all.
            dims: the dimension of the file for `sample`, `time`, `x`, `y` or `z`.
            rename: new names of channels by their names in the file.
            solids: NaN marks solid points. Without it, NaN is refused when it is read.
            axes: the axes of each array of a file without named dims; see `readers.hdf5`.
            decode_times: whether times such as `hours since 2001-01-01` become dates.
            use_cftime: see `xarray.open_dataset`.

        Raises:
            ReadError: the format is unknown, the file is damaged, or a dimension has no place.
        """
        from scionwood_pde.readers.files import open_states
        from scionwood_pde.readers.states import as_dataset
        from scionwood_pde.readers.streams import is_stream

        if not isinstance(filename_or_obj, str | PathLike) and not is_stream(filename_or_obj):
            kind = type(filename_or_obj).__name__
            rule = "this engine opens paths, URLs, open files and stores of Zarr"
            raise ReadError(kind, rule, "Give one of these")
        options: dict[str, Any] = {"fields": fields, "dims": dims, "rename": rename}
        states = open_states(filename_or_obj, solids=solids, axes=axes, **options)
        left_out = [drop_variables] if isinstance(drop_variables, str) else drop_variables or []
        dataset = as_dataset(states)
        dataset = dataset.drop_vars([name for name in left_out if name in dataset])
        return xr.decode_cf(
            dataset,
            decode_times=decode_times,
            use_cftime=use_cftime,
            decode_timedelta=False,
        )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return False: other engines keep the files that they open today."""
        return False
