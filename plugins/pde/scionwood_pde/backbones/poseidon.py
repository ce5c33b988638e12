"""Poseidon as a model of dynamics in two dimensions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, final

from torch import nn

from scionwood import ReadError, RecipeError, WeightsError
from scionwood.authoring import read_weights, reading
from scionwood_pde.model.forecast import Forecast
from scionwood_pde.model.scot import Scot
from scionwood_pde.model.scot_shape import ScotShape, shape_of

REMEDY = (
    "Give `weights` the folder with config.json and model.safetensors. Save pickled weights with "
    "safetensors.torch.save_file once, outside of scionwood"
)
_BLOCKS = r"network\.(encoder|decoder)\.layers\.\d+\.blocks\.\d+\."
_ATTENTION = _BLOCKS + r"attention\.(self\.(query|key|value)|output\.dense)"
_MLP = _BLOCKS + r"(intermediate|output)\.dense"


@final
class PoseidonForecast(Forecast):
    """Poseidon (scOT): Swin V2 as a U-Net, for square states in two dimensions.

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

    head = ("network.embeddings.patch_embeddings", "network.patch_recovery")
    adapter_targets: ClassVar[Mapping[str, str]] = {
        "attention": _ATTENTION,
        "mlp": _MLP,
        "all-linear": f"{_ATTENTION}|{_MLP}",
    }

    def __init__(
        self,
        *,
        fields: int = 4,
        weights: str | Path = "none",
        lead: float = 1.0,
        side: int = 64,
        width: int = 24,
        depth: int = 2,
        solenoidal: Sequence[int] = (),
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        self.weights = None if str(weights) == "none" else Path(weights)
        self.fields, self.dims, self.lead, self.solenoidal = fields, 2, lead, solenoidal
        if self.weights is not None:
            self.target, self.shape = "state", _read(self.weights)
        else:
            try:
                self.shape = ScotShape(side, 4, fields, fields, width, (depth,) * 4)
            except ValueError as error:
                raise RecipeError(str(error)) from error
        self.assemble(init_seed)

    def build(self) -> nn.Module:
        """Return the network with its weights, and new layers at the fields that they lack."""
        network, fields = Scot(self.shape, self.lead), self.fields
        if self.weights is None:
            # Random weights predict a change, which then starts at zero.
            nn.init.zeros_(network.patch_recovery.mixup.weight)
        else:
            _load(network, self.weights)
        if fields != self.shape.channels or fields != self.shape.out:
            wider = Scot(replace(self.shape, channels=fields, out=fields), self.lead)
            wider.encoder, wider.decoder = network.encoder, network.decoder
            wider.residual_blocks = network.residual_blocks
            wider.embeddings.norm = network.embeddings.norm
            return wider
        return network

    def describe(self) -> dict[str, str]:
        """Return the entries of the model card."""
        weights = {} if self.weights is None else {"weights": f"folder {self.weights.name}"}
        shape = f"width {self.shape.width}, {self.shape.side}^2 points"
        return {"architecture": f"Poseidon (scOT), {shape}", **weights}


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
    shapes = network.state_dict()
    state = read_weights(
        folder / "model.safetensors",
        {**shapes, **dict(network.named_buffers())},
        optional=lambda name: name not in shapes,
        remedy=REMEDY,
    )
    network.load_state_dict({name: state[name] for name in shapes})
