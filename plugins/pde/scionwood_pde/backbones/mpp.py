"""MPP as a model of dynamics in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import nn

from scionwood.authoring import read_weights
from scionwood_pde.model.avit import SIZES, AViT, AViTSize
from scionwood_pde.model.avit_fields import FieldNames, put
from scionwood_pde.model.forecast import Forecast
from scionwood_pde.model.tiles import Boundary, Tiling

FRAMES = 16
"""Frames of the authors' training."""

FIELDS = (
    "swe.h",
    "incompNS.Vx",
    "incompNS.Vy",
    "incompNS.particles",
    "diffre2d.activator",
    "diffre2d.inhibitor",
    "compNS.Vx",
    "compNS.Vy",
    "compNS.density",
    "compNS.pressure",
)
"""The fields of the first rows: a data set of the authors, and a field of it."""

REMEDY = (
    "Give `weights` one of the authors' files, or its model_state as safetensors, and its `size`; "
    "`rows` is 12 unless the authors' code appended some"
)
_HEADS = r"network\.blocks\.\d+\.(spatial|temporal)\.(in|out)put_head"
_MLP = r"network\.blocks\.\d+\.spatial\.mlp\.fc[12]"


@final
class MPPForecast(Forecast):
    """MPP (AViT), in two dimensions: attention along time and along both axes of space.

    It has a table with a row for each field of each data set. A state takes the rows of its fields;
    fields that the weights do not know get new rows. The table, and the layers that bring the
    tokens back to points, train beside an adapter.

    Args:
        fields: the row of each field of a state, in their order: `swe.h`, `incompNS.Vx`, `.Vy`,
            `.particles`, `diffre2d.activator`, `.inhibitor`, `compNS.Vx`, `.Vy`, `.density` or
            `.pressure`. `density` alone suffices, as one data set has it. `new.NAME` is a new row;
            `state_10` is a row without a name.
        size: `Ti`, `S`, `B` or `L` as published, or `tiny` for CPUs.
        weights: `none` (random), or a file: a checkpoint of the authors' training, of which only
            tensors are read, or its `model_state` as safetensors.
        history: frames of the input. The weights were trained with up to 16.
        boundary: `periodic` or not (`edge`), along both axes.
        rows: rows of the table of the weights.
        solenoidal: positions of two fields that form a vector without divergence.
        init_seed: seed of random weights.

    Shapes: (batch, frame * field, x, y) to (batch, field, x, y), float32, oldest frame first. Sides
        are multiples of 16.

    Units: any, as the network takes off the mean of each field over the frames, and divides by its
        standard deviation.

    Raises:
        WeightsError: the file is missing, unreadable, or of another size.
        RecipeError: a field is unknown, or a number does not fit the others.

    Source: McCabe et al. 2023, arXiv:2310.02994; the layout is that of the authors' code.
    """

    longest = FRAMES
    head = ("network.space_bag", "network.debed")
    adapter_targets: ClassVar[Mapping[str, str]] = {
        "attention": _HEADS,
        "mlp": _MLP,
        "all-linear": f"{_HEADS}|{_MLP}",
    }

    def __init__(
        self,
        *,
        fields: Sequence[str] = FIELDS[6:],
        size: AViTSize = "tiny",
        weights: str | Path = "none",
        history: int = FRAMES,
        boundary: Boundary = "periodic",
        rows: int = 12,
        solenoidal: Sequence[int] = (),
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        labels = [*FIELDS, *(f"state_{i}" for i in range(len(FIELDS), rows))][:rows]
        self.names, self.rows = FieldNames(fields, labels), rows
        self.field_names, self.size, self.weights = fields, size, str(weights)
        self.fields, self.dims, self.history = len(fields), 2, history
        self.solenoidal, self.target = solenoidal, "state"
        self.tiling = Tiling(boundary=boundary)
        self.assemble(init_seed)

    def build(self) -> nn.Module:
        """Return the network with its weights, and new rows for the fields that they lack."""
        shape, periodic = SIZES[self.size], self.around == "periodic"
        network = AViT(shape, self.names.places, self.names.rows, periodic=periodic)
        if self.weights != "none":
            with torch.device("meta"):
                published = AViT(shape, self.names.places, self.rows, periodic=periodic)
            shapes = published.state_dict()
            put(network, read_weights(self.weights, shapes, within=("model_state",), remedy=REMEDY))
        return network

    def describe(self) -> dict[str, str]:
        """Return the entries of the model card."""
        weights = {} if self.weights == "none" else {"weights": f"file {Path(self.weights).name}"}
        return {
            "architecture": f"MPP (AViT), size {self.size}",
            "fields": ", ".join(self.field_names),
            **weights,
        }
