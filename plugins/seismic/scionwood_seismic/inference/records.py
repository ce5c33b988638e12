"""Denoise the records of a file: a callable that a reader applies to each record."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np
from torch import nn

from scionwood import Record, read_origin, weights_digest
from scionwood_seismic.inference.adaptation import Adaptation, Adapter
from scionwood_seismic.inference.arrays import denoise_array


@final
class Denoiser:
    """Denoise one record after another with one model.

    Args:
        model: see `denoise_array`.
        tile: size and overlap of the tiles, traces and samples.
        identity: everything that the result depends on besides the file; a stopped run is resumed
            only if it is equal.
        adaptation: how to adapt to each record first; None: do not adapt.
        unit: returns the amplitude of the whole gather if a record is only a part of one, and None
            otherwise.
        progress: called with the number of traces that each step finishes, which may be a fraction.

    Attributes:
        verdicts: outcome of the adaptation -> number of records.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        tile: tuple[int, int],
        identity: Mapping[str, Any],
        adaptation: Adaptation | None = None,
        unit: Callable[[Record], float | None] = lambda record: None,
        progress: Callable[[float], None] = lambda traces: None,
    ) -> None:
        self.model, self.tile, self.identity = model, tile, identity
        self.unit, self.progress = unit, progress
        self.adapter = None if adaptation is None else Adapter(model, adaptation)
        self.verdicts: Counter[str] = Counter()

    def __call__(self, record: Record) -> np.ndarray:
        """Denoise a record: (trace, time) float32, in the record's unit."""
        unit, traces = self.unit(record), len(record.data)

        def advance(share: float) -> None:
            self.progress(share * traces)

        tile, overlap = self.tile
        if self.adapter is None:
            return denoise_array(
                self.model, record.data, tile=tile, overlap=overlap, unit=unit, progress=advance
            )
        result, outcome = self.adapter.denoise(
            record.data,
            record.coords["time" if "time" in record.coords else "depth"],
            tile=tile,
            overlap=overlap,
            unit=unit,
            progress=advance,
        )
        self.verdicts[outcome.verdict] += 1
        return result


def work_identity(
    run: Path, *, tile: tuple[int, int], device: str, adaptation: Adaptation | None = None
) -> dict[str, Any]:
    """Return everything that a denoised file depends on besides its source, as JSON values.

    Args:
        run: the run folder; its recipe and its weights are hashed.
        tile: size and overlap of the tiles.
        device: where the work runs; another device rounds differently.
        adaptation: how the model adapts to each gather; None: it does not.
    """
    return {
        "scionwood": version("scionwood"),
        "adapter": hash_run(run),
        "tile": tile[0],
        "overlap": tile[1],
        "device": device,
        "tta": None if adaptation is None else json.loads(json.dumps(asdict(adaptation))),
    }


def made_by(run: Path) -> dict[str, str]:
    """Return what a result records of its run: `run`, its name, and `digest`, that of its weights.

    Args:
        run: the run folder.
    """
    return {"run": str(read_origin(run) or run.resolve().name), "digest": weights_digest(run)}


def hash_run(run: Path) -> str:
    """Return the SHA-256 over the recipe and all weights of a run folder, hexadecimal."""
    total = hashlib.sha256()
    for path in sorted([run / "recipe.yaml", *run.rglob("*.safetensors")]):
        total.update(path.relative_to(run).as_posix().encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
