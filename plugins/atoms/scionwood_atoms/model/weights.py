"""The checkpoints of the packages of the models, which the records of `bases` pin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from scionwood import base, base_path
from scionwood.authoring import load_tensors

TINY = Path(__file__).parent / "tiny"
"""Small networks with random weights, for the elements H, C, N, O and Si: as checkpoints that
sevenn 0.13, chgnet 0.4 and mace-torch 0.3.16 wrote."""


def load_shipped(family: str, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a checkpoint of an installed package, and what a run states of it, without its code.

    The checkpoints of SevenNet hold numpy scalars and arrays, so that four names of numpy are
    allowed beside tensors and plain data. A missing or other file raises `WeightsError`.
    """
    if name == "tiny":
        path = TINY / f"{family}.pth"
        card = {"architecture": f"{family}, tiny", "weights": "random", "licence": "Apache-2.0"}
    else:
        record = base(f"atoms/{family}-{name}")
        path = base_path(record)
        card = {
            "architecture": record.title,
            "weights": f"{record.source}, sha256 {next(iter(record.files.values()))}",
            "licence": record.licence,
            "theory": record.trained_on,
            "seen in pretraining": record.seen,
        }
    with torch.serialization.safe_globals(_names_of_numpy()):
        state: dict[str, Any] = load_tensors(path)
    return state, {**card, "base": f"{family}/{name}"}


def _names_of_numpy() -> list[Any]:
    import numpy as np
    from numpy._core.multiarray import _reconstruct, scalar

    old = [(f, f"numpy.core.multiarray.{f.__name__}") for f in (_reconstruct, scalar)]
    kinds = [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "bool")]
    return [*old, _reconstruct, scalar, np.ndarray, np.dtype, *kinds]
