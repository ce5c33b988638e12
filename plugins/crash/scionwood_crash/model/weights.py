"""Pretrained weights: one safetensors file, as a run with `adapter: full` leaves it."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from scionwood import WeightsError

REMEDY = "Give `weights` a run folder of the same backbone and size, its file, `shipped`, or `none`"
SHOWN = 3


def load_weights(model: nn.Module, weights: str, shipped: str) -> None:
    """Load weights into a model, whatever dtype they are stored in.

    Args:
        model: changed in place; left as it was where this raises.
        weights: `none`, `shipped`, a safetensors file, or a run folder that holds
            `head.safetensors`.
        shipped: the name of the shipped file.

    Raises:
        WeightsError: there is no such file, or it is of another model.
    """
    if weights == "none":
        return
    if weights != "shipped":
        path = Path(weights)
        _load(model, path / "head.safetensors" if path.is_dir() else path)
        return
    with as_file(files("scionwood_crash") / "weights" / shipped) as path:
        if not path.is_file():
            raise WeightsError(f"weights 'shipped': {shipped}", "this one is not shipped", REMEDY)
        _load(model, path)


def _load(model: nn.Module, path: Path) -> None:
    try:
        state: dict[str, Any] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(str(path), f"no readable safetensors file ({error})", REMEDY) from error
    own = model.state_dict()
    wrong = [
        name for name in own if name not in state or state[name].shape != own[name].shape
    ] + sorted(set(state) - set(own))
    if wrong:
        rule = f"it is of another model or size: {', '.join(wrong[:SHOWN])}"
        raise WeightsError(str(path), rule, REMEDY)
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise WeightsError(str(path), "it holds NaN or infinity", REMEDY)
    model.load_state_dict(state)
