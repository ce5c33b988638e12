"""Measure how states are read for training: speed, correctness, memory growth, and workers.

    python benchmarks/pde_data.py            # about two minutes on one core
    python benchmarks/pde_data.py --quick    # to see that it runs

One set of states, (1, 12, 3, 128, 128, 128) float32, is written in every format. Random 64^3 crops
of one channel are read by one process from files in the page cache, in interleaved rounds. Each
crop is compared with the values that were written. Rates use the CPU time of the process, so that
other load on the machine matters little. `numpy.memmap` and h5py by hand use no code of this
project. Workers read pairs of crops for three epochs, measured by the clock, start included.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import xarray as xr
from runner import Row, machine, option, out, parsed, printed, replace_rows

from scionwood_pde.data.files import Files
from scionwood_pde.data.splits import open_source
from scionwood_pde.readers.cache import write_cache
from scionwood_pde.readers.layout import AXES, Channel, Layout
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.states import labelled
from scionwood_pde.readers.write import save_states

WITH_WORKERS = ("cache", "Zarr", "HDF5 of The Well")
Crop = Callable[[int, int, list[slice]], np.ndarray]
"""A function from time, channel and window to a crop."""


class Scale(NamedTuple):
    """The amount of data that is read."""

    side: int = 128
    times: int = 12
    crop: int = 64
    crops: int = 40
    rounds: int = 5
    files: int = 100
    reads: int = 1000


QUICK = Scale(side=16, times=3, crop=8, crops=2, rounds=2, files=3, reads=12)


def states_of(samples: int, times: int, side: int, seed: int = 0) -> xr.DataArray:
    """Return a velocity of random numbers, which do not compress."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((samples, times, 3, side, side, side), np.float32)
    dims = ("sample", "time", *AXES)
    layout = Layout(
        samples,
        0.1 * np.arange(times),
        {axis: np.arange(side) / side for axis in AXES},
        tuple(Channel(f"velocity_{axis}", "m/s", "velocity", dims) for axis in AXES),
        {"time": "s", **dict.fromkeys(AXES, "m")},
        dict.fromkeys(AXES, "periodic"),
        values.dtype,
    )
    return labelled(values, layout)


def written(states: xr.DataArray, folder: Path) -> dict[str, Path]:
    """Write the states in every format; return the paths."""
    paths = {
        "cache": folder / "cache",
        "Zarr": folder / "states.zarr",
        "HDF5 of The Well": folder / "states.hdf5",
        "HDF5 of PDEBench": folder / "states.h5",
        "NetCDF": folder / "states.nc",
    }
    save_states(states, paths["Zarr"])
    save_states(states, paths["HDF5 of The Well"])
    save_states(states, paths["NetCDF"])
    write_cache([open_reader(paths["Zarr"])], paths["cache"])
    with h5py.File(paths["HDF5 of PDEBench"], "w") as file:
        for i, axis in enumerate(AXES):
            file[f"V{axis}"] = states.values[:, :, i]
            file[f"{axis}-coordinate"] = states.coords[axis].values
        file["t-coordinate"] = states.coords["time"].values
    return paths


def ways(paths: dict[str, Path]) -> dict[str, Crop]:
    """Return the ways to read a crop: with each format of this plugin, and by hand."""
    crops: dict[str, Crop] = {name: _scionwood(path) for name, path in paths.items()}
    mapped = np.load(paths["cache"] / "states.npy", mmap_mode="r")
    crops["numpy.memmap by hand"] = lambda t, c, window: np.array(mapped[(0, t, c, *window)])

    def by_h5py(t: int, c: int, window: list[slice]) -> np.ndarray:
        with h5py.File(paths["HDF5 of The Well"]) as file:
            part: np.ndarray = file["t1_fields/velocity"][(0, t, *window, c)]
        return part

    crops["h5py by hand, The Well"] = by_h5py
    return crops


def _scionwood(path: Path) -> Crop:
    source = open_source(path)

    def crop(t: int, c: int, window: list[slice]) -> np.ndarray:
        (part,) = source.frames([(0, t)], window, [c])
        return np.array(part[0])

    return crop


def speed_rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the rate in CPU time, including the system's, and the number of wrong values."""
    states = states_of(1, scale.times, scale.side)
    tools = ways(written(states, folder))
    places = _places(scale)
    wrong = {
        name: sum(_unequal(tool(*p), states, p) for p in places) for name, tool in tools.items()
    }
    spent: dict[str, list[float]] = {name: [] for name in tools}
    for turn in range(scale.rounds):
        for name in list(tools)[:: -1 if turn % 2 else 1]:
            start = time.process_time()
            for place in places:
                tools[name](*place)
            spent[name].append((time.process_time() - start) / len(places))
    size = 4 * scale.crop**3
    for name, item in spent.items():
        rates = [size / seconds / 1e9 for seconds in item]
        yield _row(f"random {scale.crop}^3 crops", name, rates, "GB/s")
        yield _row("values unequal to what was written", name, [wrong[name]], "values")


def _places(scale: Scale) -> list[tuple[int, int, list[slice]]]:
    rng = np.random.default_rng(1)
    places = []
    for _ in range(scale.crops):
        starts = rng.integers(0, scale.side - scale.crop + 1, 3).tolist()
        window = [slice(start, start + scale.crop) for start in starts]
        places.append((int(rng.integers(scale.times)), int(rng.integers(3)), window))
    return places


def _unequal(part: np.ndarray, states: xr.DataArray, place: Any) -> int:
    t, c, window = place
    return int((part != states.values[(0, t, c, *window)]).sum())


def memory_rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the growth of resident memory over many reads of many files, after one read of each."""
    side = max(16, scale.crop // 2)
    kinds: dict[str, Any] = {"Zarr": save_states, "HDF5 of The Well": save_states, "cache": None}
    for name, writer in kinds.items():
        sources = []
        for i in range(scale.files):
            path = folder / f"{name.split()[0]}-{i}{'.zarr' if name != 'HDF5 of The Well' else ''}"
            if writer is None:
                write_cache([open_reader(folder / f"Zarr-{i}.zarr")], path)
            else:
                writer(states_of(1, 2, side, i), path)
            sources.append(open_source(path))
        for source in sources:
            list(source.frames([(0, 0)]))
        gc.collect()
        before = _resident()
        for i in range(scale.reads):
            list(sources[i % len(sources)].frames([(0, i % 2)]))
        gc.collect()
        grown = (_resident() - before) / 1e6
        yield _row(
            f"memory grown over {scale.reads} reads of {scale.files} files", name, [grown], "MB"
        )


def _resident() -> int:
    """Return the anonymous bytes; the system can reclaim those of mapped files at any time."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(fields["RssAnon"].split()[0])


def worker_rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield crops per second over three epochs with and without workers, and after the first one.

    The first epoch with workers includes their start: each imports torch.
    """
    for name, path in written(states_of(8, 4, scale.crop), folder).items():
        for workers in (0, 4) if name in WITH_WORKERS else ():
            data = Files(files=[str(path)], crop=scale.crop // 2, workers=workers, measured=4)
            loader, seconds = data.train_dataloader(), []
            for epoch in range(3):
                start = time.perf_counter()
                loader.sampler.set_epoch(epoch)
                count = sum(len(batch["state"]) for batch in loader)
                assert count == 6 * 3, f"{name}, {workers} workers: {count} samples"
                seconds.append(time.perf_counter() - start)
            rates = {"three epochs": 54 / sum(seconds), "later epochs": 36 / sum(seconds[1:])}
            for measure, rate in rates.items():
                yield _row(f"{measure}, {workers} workers", name, [rate], "pairs/s")


def _row(measure: str, source: str, values: list[float], unit: str) -> Row:
    return {
        "device": "cpu",
        "measure": measure,
        "source": source,
        "median": f"{np.median(values):.4g}",
        "lowest": f"{min(values):.4g}",
        "highest": f"{max(values):.4g}",
        "unit": unit,
        "rounds": len(values),
        **machine(),
    }


def main() -> None:
    options = parsed(
        __doc__,
        option("--quick", action="store_true", help="little data, to see that it runs"),
        option(
            "--folder", type=Path, help="where the files are written; by default a temporary folder"
        ),
        out("pde_data"),
        option("--workers", action="store_true", help="measure only the rows of workers"),
    )
    scale = QUICK if options.quick else Scale()
    for part in (worker_rows,) if options.workers else (speed_rows, memory_rows, worker_rows):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            rows = printed(part(scale, Path(folder)))
        replace_rows(options.out, rows, ("measure", "source"))


if __name__ == "__main__":
    main()
