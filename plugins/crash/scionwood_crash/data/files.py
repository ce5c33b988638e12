"""Parts in the user's own simulation files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, final

import numpy as np
from rich.console import Console
from rich.progress import track

from scionwood import ReadError, RecipeError
from scionwood.authoring import DataFiles, writing
from scionwood_crash.data.encode import Coarse, Encoded
from scionwood_crash.data.lazy import Stored, conditions_of
from scionwood_crash.data.lazy_history import store_folder, store_name, store_run
from scionwood_crash.data.parts import Loader, Parts
from scionwood_crash.data.user_settings import RunSettings, open_run, read_run
from scionwood_crash.model import SizeName
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.quantities import Settings
from scionwood_crash.parts.resample import resampled
from scionwood_crash.parts.series import Hold, Vector, run_name
from scionwood_crash.readers.folder import find_runs

LARGE = 4 << 30
"""Bytes of encoded parts above which `auto` keeps them on the disk."""
ENCODED = 48
"""Numbers of four bytes for each node in the graph of a part."""


@final
class FileParts(Parts):
    """Simulations in files, one part in each: a folder of d3plots, PVD, VTP, VTKHDF or Zarr.

    What a run states of its impact is in `global_features.json`, or in the file; the options state
    it for all other runs. What neither states is asked for by name. Keys of other programs get a
    meaning by `settings`. Any further key becomes a condition, which a network must take.

    Shapes: a batch holds `graph`, a `CrashGraph`, and `displacement` (N, T, 3). If all files have
        plastic strain, it also holds `plastic_strain` (C, T). All are float32.

    Units: displacement in 100 mm, in the axes of each part. Files are in the units that they state,
        or else in `units`, or else in mm, ms and kg.

    Raises:
        ReadError: there are too few files, a file has a single state, states too little, has
            numbers that cannot be right in its units, or cannot be read.
        RecipeError: a meaning of `settings` is unknown.

    Source: `scionwood_crash.readers`.

    Args:
        source: a folder of simulations, with those in folders below it, or a pattern of paths.
        files: a pattern of paths, such as `crash/*/run.d3plot`; an older spelling of `source`.
        settings: meaning of the keys of a run by key, such as `velocity_x: velocity_x m/s`.
            `condition` gives a key to the network as it is, and `ignore` leaves it out.
        units: units of files that do not state them, such as `mm, ms, kg`.
        thickness: thickness of shells that have none in the file.
        direction: direction in which the impactor moves.
        impactor: shape of the impactor.
        speed: speed of the impactor, m/s.
        mass: mass of the impactor, kg.
        radius: radius of a cylinder, mm.
        yield_stress: yield stress of the sheet, GPa.
        point: a point on the impactor: on the axis of a cylinder, or on the plane. `None` means
            that it touches the middle of the part.
        mesh: the file with the shells of runs that hold none, as some Zarr stores do, or the
            keyword deck with the welds and ties of runs that have shells; `{run}` is their name,
            such as `decks/{run}.k`.
        held: which nodes are clamped; see `clamped` of `scionwood_crash.parts.series.Setup`.
        frames: number of states, equally spaced, to which histories are resampled; `None` keeps
            those of the files, which must then be alike.
        n_val: number of files for validation, drawn by the seed.
        n_test: number of files for the test.
        store: `memory` keeps all encoded parts. `zarr` writes each once to the disk and maps into
            memory what a batch needs. `auto` does so where they would take more than 4 GiB.
        cache: folder of these stores; `None` means `.scionwood` in the folder of the simulations.
        on_bad_file: `raise` stops at a file that cannot be read. `skip` reads every file once at
            the beginning, and leaves out the bad ones.
        seed: seed of the splits.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        source: str = "",
        files: str = "",
        settings: Mapping[str, str] | None = None,
        units: str | None = None,
        thickness: float | None = None,
        direction: Vector | None = None,
        impactor: Literal["plane", "cylinder"] | None = None,
        speed: float | None = None,
        mass: float | None = None,
        radius: float | None = None,
        yield_stress: float | None = None,
        point: Vector | None = None,
        mesh: str | None = None,
        held: Hold = "field",
        frames: int | None = None,
        n_val: int = 1,
        n_test: int = 1,
        size: SizeName = "tiny",
        neighbours: int = 4,
        coarse: Coarse = "morph",
        fallback: Fallback = "refuse",
        batch_size: int = 4,
        loader: Loader = "own",
        max_nodes: None = None,
        store: Literal["auto", "memory", "zarr"] = "auto",
        cache: Path | None = None,
        workers: int = 0,
        on_bad_file: Literal["raise", "skip"] = "raise",
        seed: int = 0,
    ) -> None:
        shared = size, neighbours, coarse, batch_size
        super().__init__(*shared, fallback=fallback, workers=workers)
        if store == "zarr" and coarse == "fixed":
            rule = "fixed grids come from the parts in memory"
            raise RecipeError("data.store zarr", rule, "Set data.coarse: morph, or store: memory")
        self.source = source or files
        roots = [self.source, (mesh or "").replace("{run}", "*")]
        self.data_files = DataFiles(on_bad_file, [root for root in roots if root])
        self.user = RunSettings(
            units=units,
            thickness=thickness,
            direction=direction,
            impactor=impactor,
            speed=speed,
            mass=mass,
            radius=radius,
            yield_stress=yield_stress,
            point=point,
            mesh=mesh,
            held=held,
            settings=Settings(settings or {}),
        )
        self.frames = frames
        self.store, self.cache = store, None if cache is None else Path(cache)
        self.counts, self.seed = {"val": n_val, "test": n_test}, seed

    def prepare_data(self) -> None:
        """Write the stores, in one process of each machine."""
        if self.stored:
            for split in self._paths:
                self.encoded(split)

    def setup(self, stage: str) -> None:
        """Find the files and split them, so that errors appear before training."""
        _ = self._paths

    @cached_property
    def stored(self) -> bool:
        """Whether encoded parts are kept on the disk."""
        if self.store != "auto":
            return self.store == "zarr"
        paths = [path for split_paths in self._paths.values() for path in split_paths]
        with self.data_files.one_child(paths[-1]):
            series = open_run(paths[-1], self.user)
        values = 3 * (self.frames or len(series)) + ENCODED
        size = 4 * len(paths) * len(series.mesh.points) * values
        return self.coarse != "fixed" and size > LARGE

    def encoded(self, split: str) -> Sequence[Encoded]:
        """Return the parts of a split as tensors, in memory or mapped from their stores."""
        if not self.stored:
            return super().encoded(split)
        if split not in self._encoded:
            encoder, paths = self.encoder(), self._paths[split]
            place = store_folder(self.source) if self.cache is None else self.cache
            folders = [place / store_name(path, self.user, self.frames, encoder) for path in paths]
            todo = [pair for pair in zip(paths, folders, strict=True) if not pair[1].is_dir()]
            progress = track(
                todo, f"encoding {split}", console=Console(stderr=True), disable=not todo
            )
            for path, folder in progress:
                with self.data_files.one_child(path), writing(folder):
                    store_run(path, self.user, self.frames, encoder, folder)
            if folders:
                self.conditions = _common_conditions(paths, folders)
            self._encoded[split] = Stored(folders)
        return self._encoded[split]

    def parts(self, split: str) -> list[Part]:
        """Return the parts of a split."""
        parts = [self._part(path) for path in self._paths[split]]
        for part in parts:
            _check_alike(parts[0], part)
        return parts

    @cached_property
    def _paths(self) -> dict[str, list[Path]]:
        paths = find_runs(self.source).runs if self.source else []
        paths = list(self.data_files.readable(paths, lambda path: path, self._read))
        reserved = sum(self.counts.values())
        if len(paths) <= reserved:
            rule = (
                f"{len(paths)} files; {reserved} are for validation and test, none is left to train"
            )
            raise ReadError(
                f"source: {self.source!r}", rule, "Correct the source, or n_val, n_test"
            )
        order = np.random.default_rng(self.seed).permutation(len(paths))
        mixed = [paths[at] for at in order]
        val = self.counts["val"]
        return {
            "val": mixed[:val],
            "test": mixed[val:reserved],
            "train": sorted(mixed[reserved:]),
        }

    def _part(self, path: Path) -> Part:
        with self.data_files.one_child(path):
            return self._read(path)

    def _read(self, path: Path) -> Part:
        part = read_run(path, self.user)
        return part if self.frames is None else resampled(part, self.frames)


def _common_conditions(paths: Sequence[Path], folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the further keys of stored runs, one or more, which must be the same in all.

    Raises:
        ReadError: the names differ.
    """
    names = [conditions_of(folder) for folder in folders]
    for path, keys in zip(paths, names, strict=True):
        _refuse_others(run_name(path), set(keys), run_name(paths[0]), set(names[0]))
    return names[0]


def _check_alike(first: Part, part: Part) -> None:
    """Refuse runs that state different further keys, since a network takes all or none.

    Raises:
        ReadError: the names differ.
    """
    _refuse_others(part.name, set(part.conditions), first.name, set(first.conditions))


def _refuse_others(name: str, keys: set[str], first: str, expected: set[str]) -> None:
    if keys != expected:
        rule = f"it and {first!r} differ in the keys {', '.join(sorted(keys ^ expected))}"
        remedy = "State them in every run, or leave them out: settings: {KEY: ignore}"
        raise ReadError(f"run {name!r}", rule, remedy)
