"""Poseidon as a model of dynamics in two dimensions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from scionwood import ReadError, RecipeError, WeightsError
from scionwood.authoring import read_weights, reading
from scionwood_pde.backbones.forecasts import built
from scionwood_pde.model.forecast import Forecast
from scionwood_pde.model.scot import Scot
from scionwood_pde.model.scot_shape import ScotShape, shape_of
from scionwood_pde.model.setting import Setting
from scionwood_pde.model.tiles import Tiling

REMEDY = (
    "Give `weights` the folder with config.json and model.safetensors. Save pickled weights with "
    "safetensors.torch.save_file once, outside of scionwood"
)
_BLOCKS = r"network\.(encoder|decoder)\.layers\.\d+\.blocks\.\d+\."
_ATTENTION = _BLOCKS + r"attention\.(self\.(query|key|value)|output\.dense)"
_MLP = _BLOCKS + r"(intermediate|output)\.dense"
HEAD = ("network.embeddings.patch_embeddings", "network.patch_recovery")


def poseidon(
    *,
    fields: int = 4,
    weights: str | Path = "none",
    lead: float = 1.0,
    side: int = 64,
    width: int = 24,
    depth: int = 2,
    solenoidal: Sequence[int] = (),
    init_seed: int = 0,
) -> Forecast:
    """Build Poseidon (scOT): Swin V2 as a U-Net, for square states in two dimensions.

    Its weights are published under CC BY-NC 4.0, which forbids commercial use; this package brings
    none. If `fields` differs from the number of the file, the layers that meet the fields start
    from random weights, as the authors do for a new task.

    Args:
        fields: number of fields of a state. The published weights know density, two velocities and
            pressure, in this order.
        weights: `none` (random), or a folder with `config.json` and `model.safetensors`. Pickled
            weights are not read.
        lead: time from a state to the next one, in the units of the training of the weights: the
            authors divide by the longest time. A file without lead times ignores it.
        side: points along each axis, a multiple of 32, for random weights. A file has its own.
        width: channels of the finest of four levels, a multiple of 3, for random weights.
        depth: blocks of a level, for random weights.
        solenoidal: positions of two fields that form a vector without divergence.
        init_seed: seed of the random weights.

    Shapes: (batch, field, side, side) to the same, float32.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        WeightsError: the folder is missing, unreadable, or describes another network.
        RecipeError: a number does not fit the others.

    Source: Herde et al. 2024, arXiv:2405.19101; written from the paper and the layout of its files.
    """
    own = str(weights) == "none"
    try:
        shape = (
            ScotShape(side, 4, fields, fields, width, (depth,) * 4) if own else _read(Path(weights))
        )
    except ValueError as error:
        raise RecipeError(str(error)) from error

    def make(setting: Setting, _: str) -> nn.Module:
        network = Scot(shape, lead)
        if own:
            nn.init.zeros_(network.patch_recovery.mixup.weight)
        else:
            _load(network, Path(weights))
        if fields != shape.channels or fields != shape.out:
            fresh = Scot(replace(shape, channels=fields, out=fields), lead)
            fresh.encoder, fresh.decoder = network.encoder, network.decoder
            fresh.residual_blocks = network.residual_blocks
            fresh.embeddings.norm = network.embeddings.norm
            return fresh
        return network

    kind = "change" if own else "state"
    return built(
        make,
        lambda: Setting(fields, 2, 1, (), tuple(solenoidal), None, 1, kind),  # type: ignore[arg-type]
        lambda: Tiling(None, 0, "periodic"),
        at_once=0,
        init_seed=init_seed,
        targets={"attention": _ATTENTION, "mlp": _MLP, "all-linear": f"{_ATTENTION}|{_MLP}"},
        head=HEAD,
        card={
            "architecture": f"Poseidon (scOT), width {shape.width}, {shape.side}^2 points",
            **({} if own else {"weights": f"folder {Path(weights).name}"}),
        },
    )


def _read(folder: Path) -> ScotShape:
    """Return the shape that the folder's `config.json` describes.

    Raises:
        WeightsError: the folder has no such file, or it describes another network.
    """
    path = folder / "config.json"
    try:
        with reading(path, "JSON"):
            config = dict(json.loads(path.read_text("utf-8")))
        return shape_of(config)
    except ReadError as error:
        raise WeightsError(str(folder), error.rule, REMEDY) from error
    except ValueError as error:
        raise WeightsError(str(path), str(error), REMEDY) from error


def _load(network: Scot, folder: Path) -> None:
    """Load the weights of a folder.

    Raises:
        WeightsError: the file is missing or has other names or shapes.
    """
    wanted = network.state_dict()
    state = read_weights(
        folder / "model.safetensors",
        {**wanted, **dict(network.named_buffers())},
        optional=lambda name: name not in wanted,
        remedy=REMEDY,
    )
    network.load_state_dict({name: state[name] for name in wanted})
