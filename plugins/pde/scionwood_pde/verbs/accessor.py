"""The accessor `.scionwood` of datasets and arrays of xarray: encode, decode, roll out, evaluate.

`scionwood_pde.register()` registers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, final

import xarray as xr

from scionwood_pde.readers.states import as_dataset
from scionwood_pde.verbs.options import (
    DecodeOptions,
    EncodeOptions,
    Placing,
    RolloutOptions,
    States,
)

Options = TypeVar("Options")


@dataclass(frozen=True, kw_only=True)
class DatasetPlacing(Placing):
    """How the fields of a dataset are found; every method of the accessor takes these options.

    Attributes:
        solids: NaN marks solid points.
        staggered: the dimension of the centres by that of the faces, such as `{"xu": "x"}`;
            variables on faces are averaged to the centres.
    """

    solids: bool = False
    staggered: Mapping[str, str] = field(default_factory=dict)


@final
class Scionwood:
    """The methods under `.scionwood` of a dataset or an array.

    Args:
        data: the dataset or array.

    Example:
        >>> import numpy, xarray
        >>> register()
        >>> waves = numpy.random.default_rng(0).normal(size=(2, 16, 16, 16)).astype("float32")
        >>> flow = xarray.Dataset({"speed": (("t", "nz", "ny", "nx"), waves)})
        >>> flow.scionwood.states().dims
        ('sample', 'time', 'channel', 'x', 'y', 'z')
    """

    def __init__(self, data: xr.Dataset | xr.DataArray) -> None:
        self._data = data

    def states(self, **placing: Any) -> xr.DataArray:
        """Return the fields as states, (sample, time, channel, x, y, z), read when they are used.

        Args:
            placing: the fields of `DatasetPlacing`.

        Raises:
            ReadError: a dimension has no place, or a field lies on other points. The message names
                it, and the option that helps.
        """
        return self._states(DatasetPlacing(**placing))

    def encode(
        self, latents: str | Path | None = None, *, force: bool = False, **options: Any
    ) -> xr.Dataset:
        """Compress the fields to latents; see `scionwood_pde.encode`.

        Args:
            latents: the folder of Zarr to write. `None` keeps the latents in memory.
            force: replace an existing folder.
            options: the fields of `EncodeOptions` and of `DatasetPlacing`.

        Raises:
            ReadError: see `states`.
            RecipeError: the states do not fit the model.
            OutputExistsError: `latents` exists and `force` is false.
        """
        from scionwood_pde.verbs.encode import encode

        placing = _take_options(DatasetPlacing, options)
        data, chosen = self._placed(placing)
        chosen.pop("solids")
        return encode(data, latents, EncodeOptions(**chosen, **options), force=force)

    def decode(
        self,
        *,
        target: str | Path | None = None,
        force: bool = False,
        like: xr.Dataset | xr.DataArray | None = None,
        **options: Any,
    ) -> xr.Dataset:
        """Reconstruct the fields of a dataset of latents, as `encode` or `open_zarr` returned it.

        Args:
            target: a file that is written row by row of tiles; see `scionwood_pde.decode`.
            force: replace an existing `target`.
            like: a dataset whose dims and coordinates the result takes. Without it, the result
                has those of the dataset that was encoded, of which the latents keep a note.
            options: the fields of `DecodeOptions`, and of `DatasetPlacing` for `like`.

        Returns:
            One variable for each field. It is an array of dask if the latents are such.

        Raises:
            RecipeError: the dataset holds no latents, or those of a part of the domain.
        """
        from scionwood_pde.readers.labels import Labels
        from scionwood_pde.verbs.decode import decode

        placing = _take_options(DatasetPlacing, options)
        data: Any = self._data
        states = as_dataset(decode(data, target, DecodeOptions(**options), force=force))
        if like is not None:
            return Scionwood(like)._like(states, placing)
        labels = Labels.of_latents(data)
        return states if labels is None else labels.restored(states)

    def rollout(
        self,
        run: str | Path = "pde/burgers",
        *,
        target: str | Path | None = None,
        force: bool = False,
        **options: Any,
    ) -> xr.Dataset:
        """Predict later states from the first time of each sample.

        Args:
            run: a run of `pde/dynamics`; see `scionwood_pde.rollout`.
            target: a file into which each state is written when it is predicted.
            force: replace an existing `target`.
            options: the fields of `RolloutOptions` and of `DatasetPlacing`. Without `fields`, those
                of the run are taken.

        Returns:
            One variable for each field, under the dims and the coordinates of this dataset, or over
            sample, time, x, y, z for states.

        Raises:
            ReadError: see `states`.
            RecipeError: see `scionwood_pde.rollout`.
        """
        from scionwood import find_run
        from scionwood_pde.data.normaliser import Normaliser
        from scionwood_pde.verbs.rollout import rollout

        scale = Normaliser.read(find_run(run))
        if scale is not None and options.get("fields") is None:
            options["fields"] = scale.fields
        placing = _take_options(DatasetPlacing, options)
        states = self._states(placing)
        predicted = rollout(states, target, RolloutOptions(run=run, **options), force=force)
        return self._like(as_dataset(predicted), placing)

    def evaluate(self, reference: States, *, given: int = 1, **options: Any) -> list[Any]:
        """Compare this prediction with reference states; see `scionwood_pde.evaluate`.

        Args:
            reference: the reference: a dataset, an array or a file.
            given: number of states at the start that were not predicted.
            options: `training`, and the fields of `DatasetPlacing` for this dataset.

        Returns:
            A row for each field and horizon.

        Raises:
            ReadError: see `states`.
            RecipeError: see `scionwood_pde.evaluate`.
        """
        from scionwood_pde.verbs.evaluate import evaluate

        placing = _take_options(DatasetPlacing, options)
        states = self._states(placing)
        return evaluate(states, reference, given=given, solids=placing.solids, **options)

    def _states(self, placing: DatasetPlacing) -> xr.DataArray:
        from scionwood_pde.readers.dataset import states_of

        data, options = self._placed(placing)
        return states_of(data, **options)

    def _placed(self, placing: DatasetPlacing) -> tuple[xr.Dataset | xr.DataArray, dict[str, Any]]:
        """Return the data with its fields on the centres of cells, and the rest of the options."""
        from scionwood_pde.readers.conventions import centred

        options: dict[str, Any] = dict(vars(placing))
        data, staggered = self._data, options.pop("staggered")
        if staggered:
            data = centred(data if isinstance(data, xr.Dataset) else data.to_dataset(), staggered)
        return data, options

    def _like(self, states: xr.Dataset, placing: DatasetPlacing) -> xr.Dataset:
        """Return states that a model made of the data under the dims of the data."""
        from scionwood_pde.readers.dataset import DatasetSource, is_states

        data, options = self._placed(placing)
        if is_states(data):
            return states
        source = DatasetSource(data, **options)
        return source.labels.restored(states, source.layout.times)


def _take_options(kind: type[Options], options: dict[str, Any]) -> Options:
    """Take the fields of a class of options out of the options by name."""
    names = [item.name for item in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: options.pop(name) for name in names if name in options})


@cache
def register() -> None:
    """Register the accessor for datasets and arrays, once in a process.

    Further calls do nothing.

    Example:
        >>> import xarray
        >>> register()
        >>> hasattr(xarray.Dataset, "scionwood"), hasattr(xarray.DataArray, "scionwood")
        (True, True)
    """
    decorators: list[Any] = [xr.register_dataset_accessor, xr.register_dataarray_accessor]
    for decorator in decorators:  # untyped in xarray
        decorator("scionwood")(Scionwood)
