"""Parts in the user's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, final

import numpy as np

from scionwood import ReadError
from scionwood_crash.data.encode import Coarse
from scionwood_crash.data.parts import Parts
from scionwood_crash.model import SizeName
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import Hold, Setup, Vector, from_series
from scionwood_crash.readers import open_series


@final
class FileParts(Parts):
    """Simulations in files, one part each: d3plot, PVD, VTP, Zarr.

    What a file does not say of the impact, the options say for all of them.

    Shapes: a batch holds `graph`, a `CrashGraph`, `displacement` (N, T, 3), and `plastic_strain`
        (C, T) where all files have it, float32.

    Units: displacement in 100 mm, in the axes of each part; files in any units that they state, or
        in mm, ms and kg.

    Raises:
        ReadError: no files, one with a single state, or one that cannot be read.

    Source: `scionwood_crash.readers`.

    Args:
        files: a pattern of paths, such as `crash/*/run.d3plot`.
        units: of files that do not say, such as `mm, ms, kg`.
        thickness: of shells that have none in the file.
        direction: in which the impactor moves.
        impactor: what hits the parts.
        speed: m/s.
        mass: kg.
        radius: of a cylinder, mm.
        yield_stress: GPa.
        held: which nodes cannot move; see `scionwood_crash.parts.series.Setup`.
        n_val: files for validation, drawn by the seed.
        n_test: files for the test.
        size: of the backbone, whose coarse grids are laid onto the parts.
        neighbours: coarse nodes that each node is connected with.
        coarse: `morph`, or `fixed` for the ablation.
        fallback: what happens to a part without two ends: an error, or a projection.
        batch_size: parts a batch.
        seed: of the splits.
    """

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
        seed: int = 0,
    ) -> None:
        super().__init__(
            size=size,
            neighbours=neighbours,
            coarse=coarse,
            fallback=fallback,
            batch_size=batch_size,
        )
        self.files, self.options = files, {"units": units, "thickness": thickness}
        self.setup_of_impact = Setup(
            direction, impactor, speed, mass, radius, yield_stress, clamped=held
        )
        self.counts, self.seed = {"val": n_val, "test": n_test}, seed

    def parts(self, split: str) -> list[Part]:
        """The parts of a split."""
        return [self._part(path) for path in self._paths()[split]]

    def _paths(self) -> dict[str, list[Path]]:
        pattern = Path(self.files or "none")
        found = sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
        held_out = sum(self.counts.values())
        if len(found) <= held_out:
            rule = f"{len(found)} files; {held_out} are held out, and one or more train"
            raise ReadError(f"files: {self.files!r}", rule, "Correct the pattern, or n_val, n_test")
        order = np.random.default_rng(self.seed).permutation(len(found))
        mixed = [found[at] for at in order]
        val = self.counts["val"]
        return {
            "val": mixed[:val],
            "test": mixed[val:held_out],
            "train": sorted(mixed[held_out:]),
        }

    def _part(self, path: Path) -> Part:
        units, thickness = self.options["units"], self.options["thickness"]
        series = open_series(path, units=units, thickness=thickness)  # type: ignore[arg-type]
        if len(series) < 2:
            raise ReadError(str(path), "it holds one state, and no history", "Leave it out")
        return from_series(series, self.setup_of_impact)
