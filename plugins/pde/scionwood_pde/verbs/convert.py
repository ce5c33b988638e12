"""Convert states to a cache: `scionwood pde convert`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import RecipeError
from scionwood.authoring import InputPath, OutputPath, prints
from scionwood_pde.verbs.options import Placing
from scionwood_pde.verbs.words import print_rows

if TYPE_CHECKING:
    from scionwood_pde.readers.cache import Cache


def _print_statistics(cache: Cache, *, json: bool = False) -> None:
    """Print the statistics.

    Args:
        cache: the result.
        json: print the statistics as JSON.
    """
    rows: list[Mapping[str, str | float]] = [
        {
            "field": channel.name,
            "mean": cache.statistics[channel.name].mean,
            "std": cache.statistics[channel.name].std,
            "unit": channel.unit,
        }
        for channel in cache.layout.channels
    ]
    if not json:
        print(f"{cache.folder}: shape {cache.states.shape}, {cache.layout.dtype}")
    print_rows(rows, json)


@prints(_print_statistics)
def convert(
    states: InputPath,
    cache: OutputPath,
    placing: Placing = Placing(),
    *,
    stride: int = 1,
    force: bool = False,
) -> Cache:
    """Convert states to a cache that is read at the speed of memory, and print its statistics.

    Args:
        states: the file to read: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        cache: the folder to write.
        placing: which fields are read, and where they lie.
        stride: keep every stride-th time, starting with the first.
        force: replace an existing folder.

    Returns:
        The cache, which is mapped into memory when it is read.

    Raises:
        ReadError: the file is damaged, lacks a field, or holds NaN.
        RecipeError: the stride is not positive, or `cache` is the file that is read.
        OutputExistsError: the folder exists and `force` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> write_states(simulate(n=1, n_points=16, n_steps=2), "source.zarr")
        >>> convert("source.zarr", "cache", stride=2).states.shape
        (1, 2, 3, 16, 16, 16)
    """
    from scionwood_pde.readers.cache import write_cache
    from scionwood_pde.readers.files import check_apart
    from scionwood_pde.readers.opening import open_reader

    if stride < 1:
        raise RecipeError(f"stride {stride}", "it is 1 or more", "Give 1 to keep every time")
    check_apart(states, cache)
    with open_reader(states, **vars(placing)) as reader:
        return write_cache([reader], Path(cache), stride=stride, overwrite=force)
