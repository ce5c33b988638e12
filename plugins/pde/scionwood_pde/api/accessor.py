"""The accessor `.scionwood` of datasets and arrays of xarray: encode, decode, roll out, evaluate.

`import scionwood_pde.api` registers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, final

import xarray as xr

from scionwood_pde.readers.states import as_dataset

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from scionwood_pde.api.states import States

Row = Mapping[str, str | float]


class Placing(TypedDict, total=False):
    """How the fields of a dataset are found; every method of the accessor takes these options.

    Args:
        fields: names of the channels, in the order wanted; by default all.
        dims: the dimension for `sample`, `time`, `x`, `y` or `z`, such as `{"x": "lon"}`.
        rename: new names of channels by their present ones.
        solids: NaN marks solid points.
        staggered: the dimension of the centres by that of the faces, such as `{"xu": "x"}`;
            variables on faces are averaged to the centres.
    """

    fields: Sequence[str] | None
    dims: Mapping[str, str] | None
    rename: Mapping[str, str] | None
    solids: bool
    staggered: Mapping[str, str]


@final
class Scionwood:
    """The methods under `.scionwood` of a dataset or an array.

    Args:
        data: the dataset or array.

    Example:
        >>> import numpy, xarray
        >>> import scionwood_pde.api
        >>> waves = numpy.random.default_rng(0).normal(size=(2, 16, 16, 16)).astype("float32")
        >>> flow = xarray.Dataset({"speed": (("t", "nz", "ny", "nx"), waves)})
        >>> flow.scionwood.states().dims
        ('sample', 'time', 'channel', 'x', 'y', 'z')
    """

    def __init__(self, data: xr.Dataset | xr.DataArray) -> None:
        self._data = data

    def states(self, **placing: Unpack[Placing]) -> xr.DataArray:
        """Return the fields as states, (sample, time, channel, x, y, z), read when they are used.

        Args:
            placing: see `Placing`.

        Raises:
            ReadError: a dimension has no place, or a field lies on other points. The message names
                it, and the option that helps.
        """
        from scionwood_pde.readers.dataset import states_of

        data, options = self._placed(placing)
        return states_of(data, **options)

    def encode(
        self,
        latents: str | Path | None = None,
        *,
        run: str | Path | None = None,
        tile: int | None = None,
        halo: int = 0,
        at_once: int = 0,
        device: str = "cpu",
        overwrite: bool = False,
        **placing: Unpack[Placing],
    ) -> xr.Dataset:
        """Compress the fields to latents; see `api.encode`.

        Args:
            latents: the folder of Zarr to write. `None` keeps the latents in memory.
            run: see `api.encode`.
            tile: see `api.encode`.
            halo: see `api.encode`.
            at_once: see `api.encode`.
            device: where to compute.
            overwrite: replace an existing folder.
            placing: see `Placing`.

        Raises:
            ReadError: see `states`.
            RecipeError: the states do not fit the model.
            OutputExistsError: `latents` exists and `overwrite` is false.
        """
        from scionwood_pde.api.latents import encode

        states = self.states(**placing)
        return encode(
            states,
            latents,
            run=run,
            tile=tile,
            halo=halo,
            at_once=at_once,
            device=device,
            overwrite=overwrite,
        )

    def decode(
        self,
        *,
        run: str | Path | None = None,
        tile: int | None = None,
        halo: int = 0,
        at_once: int = 0,
        target: str | Path | None = None,
        device: str = "cpu",
        overwrite: bool = False,
        like: xr.Dataset | xr.DataArray | None = None,
        **placing: Unpack[Placing],
    ) -> xr.Dataset:
        """Reconstruct the fields of a dataset of latents, as `encode` or `open_zarr` returned it.

        Args:
            run: as for `encode`.
            tile: as for `encode`.
            halo: as for `encode`.
            at_once: as for `encode`.
            target: a file that is written row by row of tiles; see `api.decode`.
            device: where to compute.
            overwrite: replace an existing `target`.
            like: the dataset that was encoded, whose dims and coordinates the result takes.
            placing: see `Placing`, for `like`.

        Returns:
            One variable for each field, over sample, time, x, y, z, or over the dims of `like`.

        Raises:
            RecipeError: the dataset holds no latents, or not those of all states.
        """
        from scionwood_pde.api.latents import decode

        data: Any = self._data
        made = decode(
            data,
            run=run,
            tile=tile,
            halo=halo,
            at_once=at_once,
            target=target,
            device=device,
            overwrite=overwrite,
        )
        back = as_dataset(made)
        return back if like is None else Scionwood(like)._like(back, placing)

    def rollout(
        self,
        run: str | Path = "pde/burgers",
        *,
        steps: int | None = None,
        conditions: Mapping[str, ArrayLike] | None = None,
        target: str | Path | None = None,
        device: str = "cpu",
        overwrite: bool = False,
        **placing: Unpack[Placing],
    ) -> xr.Dataset:
        """Predict later states from the first time of each sample.

        Args:
            run: a run of `pde/dynamics`; see `api.rollout`.
            steps: number of steps; by default as many as the dataset has after its first time.
            conditions: numbers that the model needs by name; see `api.rollout`.
            target: a file into which each state is written when it is predicted.
            device: where to compute.
            overwrite: replace an existing `target`.
            placing: see `Placing`. Without `fields`, those of the run are taken.

        Returns:
            One variable for each field, under the dims and the coordinates of this dataset, or over
            sample, time, x, y, z for states.

        Raises:
            ReadError: see `states`.
            RecipeError: see `api.rollout`.
        """
        from scionwood import find_run
        from scionwood_pde.api.predict import rollout
        from scionwood_pde.data.normaliser import Normaliser

        folder = find_run(run)
        kept = Normaliser.read(folder)
        if kept is not None and placing.get("fields") is None:
            placing["fields"] = kept.fields
        states = self.states(**placing)
        made = rollout(
            states,
            run=run,
            steps=steps,
            conditions=conditions,
            target=target,
            device=device,
            overwrite=overwrite,
        )
        return self._like(as_dataset(made), placing)

    def evaluate(
        self,
        reference: States,
        *,
        training: States | Sequence[States] = (),
        given: int = 1,
        **placing: Unpack[Placing],
    ) -> list[Row]:
        """Compare this prediction with reference states; see `api.evaluate`.

        Args:
            reference: the reference: a dataset, an array or a file.
            training: the states of the training, on which linear filters are fitted.
            given: number of states at the start that were not predicted.
            placing: see `Placing`, for this dataset.

        Returns:
            A row for each field and horizon.

        Raises:
            ReadError: see `states`.
            RecipeError: see `api.evaluate`.
        """
        from scionwood_pde.api.score import evaluate

        solids = placing.get("solids", False)
        states = self.states(**placing)
        return evaluate(states, reference, training=training, given=given, solids=solids)

    def _placed(self, placing: Placing) -> tuple[xr.Dataset | xr.DataArray, dict[str, Any]]:
        """Return the data with its fields on the centres of cells, and the rest of the options."""
        from scionwood_pde.readers.dataset import centred

        options: dict[str, Any] = dict(placing)
        data, staggered = self._data, options.pop("staggered", {})
        if staggered:
            data = centred(data if isinstance(data, xr.Dataset) else data.to_dataset(), staggered)
        return data, options

    def _like(self, made: xr.Dataset, placing: Placing) -> xr.Dataset:
        """Return what was made from the data under its own dims."""
        from scionwood_pde.readers.dataset import DatasetSource, is_states, like

        data, options = self._placed(placing)
        return made if is_states(data) else like(made, DatasetSource(data, **options))


@cache
def register() -> None:
    """Register the accessor for datasets and arrays, once in a process.

    The import of `scionwood_pde.api` calls it; further calls do nothing.

    Example:
        >>> import xarray
        >>> from scionwood_pde import api
        >>> api.register()
        >>> hasattr(xarray.Dataset, "scionwood"), hasattr(xarray.DataArray, "scionwood")
        (True, True)
    """
    decorators: list[Any] = [xr.register_dataset_accessor, xr.register_dataarray_accessor]
    for decorator in decorators:  # untyped in xarray
        decorator("scionwood")(Scionwood)
