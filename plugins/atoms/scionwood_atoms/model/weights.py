"""The checkpoints of the packages of the models, which the records of `bases` pin."""

from __future__ import annotations

from typing import Any

import torch

from scionwood import base, base_path
from scionwood.authoring import load_tensors


def load_shipped(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a checkpoint of an installed package, without running code of it.

    The checkpoints of SevenNet hold numpy scalars and arrays, so that four names of numpy are
    allowed beside tensors and plain data.

    Returns:
        The checkpoint, and what a run states of it.

    Raises:
        WeightsError: the package is missing, or its file is another than the pinned one.

    Source: the packages sevenn 0.13.0 (MIT) and chgnet 0.4.2 (BSD-3-Clause).
    """
    record = base(name)
    with torch.serialization.safe_globals(_names_of_numpy()):
        state: dict[str, Any] = load_tensors(base_path(record))
    card = {
        "architecture": record.title,
        "weights": f"{record.source}, sha256 {next(iter(record.files.values()))}",
        "licence": record.licence,
        "theory": record.trained_on,
        "seen in pretraining": record.seen,
    }
    return state, card


def _names_of_numpy() -> list[Any]:
    import numpy as np
    from numpy._core.multiarray import _reconstruct, scalar

    old = [(f, f"numpy.core.multiarray.{f.__name__}") for f in (_reconstruct, scalar)]
    kinds = [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "bool")]
    return [*old, _reconstruct, scalar, np.ndarray, np.dtype, *kinds]
