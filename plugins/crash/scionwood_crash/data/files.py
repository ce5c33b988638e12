"""Parts in the user's own simulation files."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal, final

import numpy as np

from scionwood import DataFiles, ReadError
from scionwood_crash.data.encode import Coarse
from scionwood_crash.data.parts import Parts
from scionwood_crash.model import SizeName
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import Hold, Setup, Vector, from_series
from scionwood_crash.readers import open_series


@final
class FileParts(Parts):
    """Simulations in files, one part in each: d3plot, PVD, VTP, Zarr.

    The options state what the files do not say about the impact, for all files.

    Shapes: a batch holds `graph`, a `CrashGraph`, and `displacement` (N, T, 3). If all files have
        plastic strain, it also holds `plastic_strain` (C, T). All are float32.

    Units: displacement in 100 mm, in the axes of each part. Files are in the units that they state,
        or else in mm, ms and kg.

    Raises:
        ReadError: there are too few files, a file has a single state, or cannot be read.

    Source: `scionwood_crash.readers`.

    Args:
        files: a pattern of paths, such as `crash/*/run.d3plot`.
        units: units of files that do not state them, such as `mm, ms, kg`.
        thickness: thickness of shells that have none in the file.
        direction: direction in which the impactor moves.
        impactor: shape of the impactor.
        speed: speed of the impactor, m/s.
        mass: mass of the impactor, kg.
        radius: radius of a cylinder, mm.
        yield_stress: yield stress of the sheet, GPa.
        held: which nodes are clamped; see `clamped` of `scionwood_crash.parts.series.Setup`.
        n_val: number of files for validation, drawn by the seed.
        n_test: number of files for the test.
        size: size of the backbone, which sets the coarse grids.
        neighbours: number of coarse nodes that each node is connected to.
        coarse: `morph` the grids onto each part, or leave them `fixed` (ablation).
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
        batch_size: parts in a batch.
        on_bad_file: `raise` stops at a file that cannot be read. `skip` reads every file once at
            the beginning, and leaves out the bad ones.
        seed: seed of the splits.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        files: str = "",
        units: str | None = None,
        thickness: float | None = None,
        direction: Vector = (0.0, 0.0, -1.0),
        impactor: Literal["plane", "cylinder"] = "cylinder",
        speed: float = 7.0,
        mass: float = 25.0,
        radius: float = 90.0,
        yield_stress: float = 0.35,
        held: Hold = "field",
        n_val: int = 1,
        n_test: int = 1,
        size: SizeName = "tiny",
        neighbours: int = 4,
        coarse: Coarse = "morph",
        fallback: Fallback = "refuse",
        batch_size: int = 4,
        on_bad_file: Literal["raise", "skip"] = "raise",
        seed: int = 0,
    ) -> None:
        super().__init__(
            size=size,
            neighbours=neighbours,
            coarse=coarse,
            fallback=fallback,
            batch_size=batch_size,
        )
        self.data_files = DataFiles(on_bad_file, [files] if files else [])
        self.files, self.units, self.thickness = files, units, thickness
        self.setup_of_impact = Setup(
            direction, impactor, speed, mass, radius, yield_stress, clamped=held
        )
        self.counts, self.seed = {"val": n_val, "test": n_test}, seed

    def setup(self, stage: str) -> None:
        """Find the files and split them, so that errors appear before training."""
        _ = self._paths

    def parts(self, split: str) -> list[Part]:
        """Return the parts of a split."""
        return [self._part(path) for path in self._paths[split]]

    @cached_property
    def _paths(self) -> dict[str, list[Path]]:
        pattern = Path(self.files or "none")
        paths = sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
        paths = list(self.data_files.readable(paths, lambda path: path, self._read))
        reserved = sum(self.counts.values())
        if len(paths) <= reserved:
            rule = (
                f"{len(paths)} files; {reserved} are for validation and test, none is left to train"
            )
            raise ReadError(f"files: {self.files!r}", rule, "Correct the pattern, or n_val, n_test")
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
        series = open_series(path, units=self.units, thickness=self.thickness)
        if len(series) < 2:
            raise ReadError(str(path), "it holds a single state, not a history", "Leave it out")
        return from_series(series, self.setup_of_impact)
