"""The backbones that recipes name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from scionwood_crash.data.encode import example_graph
from scionwood_crash.model import SIZES, MaskMorphUNet, MeshGraphNet, Size, SizeName, Transolver
from scionwood_crash.model.history import History
from scionwood_crash.model.network import Network
from scionwood_crash.model.weights import load_weights

Model = TypeVar("Model", bound=Network)


def mask_morph_unet(
    *,
    size: SizeName = "tiny",
    frames: int = 21,
    history: History = "one_shot",
    plastic: bool = False,
    contact: bool = True,
    mask: float = 0.0,
    weights: str | Path = "none",
    init_seed: int = 0,
) -> MaskMorphUNet:
    """Mask-Morph Graph U-Net: the deformation of a part by graphs on its mesh and coarse grids.

    Args:
        size: `tiny`, `small` or `base`; the data take the same one, which lays the grids.
        frames: states of a history, the first one at rest; those of the data.
        history: all frames at once, or one after the other.
        plastic: also predict the plastic strain of cells.
        contact: nodes in the impactor's way move at least as far as it does.
        mask: the share of nodes whose features are masked in training; 0.15 in pretraining.
        weights: `none` (random), `shipped` (`small` of 21 frames), a safetensors file, or the
            folder of a run that trained all weights.
        init_seed: seeds random weights.

    Shapes: the fields of a `CrashGraph` with N nodes to (N, frames, 3) float32; with `plastic` also
        (cell, frames).

    Units: lengths and displacements in 100 mm, in the axes of each part.

    Raises:
        WeightsError: the weights are not there, or of another size.
        RecipeError: `mask` is no share.

    Source: Mask-Morph Graph U-Net, arXiv:2605.15231; reconstruction.
    """

    def make(chosen: Size, card: dict[str, str]) -> MaskMorphUNet:
        return MaskMorphUNet(
            chosen,
            frames=frames,
            history=history,
            plastic=plastic,
            contact=contact,
            mask=mask,
            card=card,
        )

    model = _built(make, "Mask-Morph Graph U-Net (reconstruction)", size, weights, init_seed)
    load_weights(model, str(weights), f"mask_morph_unet_{size}.safetensors")
    return model


def meshgraphnet(
    *,
    size: SizeName = "tiny",
    blocks: int = 6,
    frames: int = 21,
    history: History = "one_shot",
    plastic: bool = False,
    contact: bool = True,
    weights: str | Path = "none",
    init_seed: int = 0,
) -> MeshGraphNet:
    """MeshGraphNet, a baseline: updates on the mesh alone.

    Args:
        size: see `mask_morph_unet`; of it the width counts.
        blocks: updates, and how many edges far a node sees.
        frames: see `mask_morph_unet`.
        history: see `mask_morph_unet`.
        plastic: see `mask_morph_unet`.
        contact: see `mask_morph_unet`.
        weights: see `mask_morph_unet`; none are shipped.
        init_seed: seeds random weights.

    Shapes: as `mask_morph_unet`.

    Units: as `mask_morph_unet`.

    Source: Pfaff et al. 2021, arXiv:2010.03409; all frames at once instead of a rollout.
    """

    def make(chosen: Size, card: dict[str, str]) -> MeshGraphNet:
        return MeshGraphNet(
            chosen,
            blocks=blocks,
            frames=frames,
            history=history,
            plastic=plastic,
            contact=contact,
            card=card,
        )

    model = _built(make, "MeshGraphNet", size, weights, init_seed)
    load_weights(model, str(weights), f"meshgraphnet_{size}.safetensors")
    return model


def transolver(
    *,
    size: SizeName = "tiny",
    blocks: int = 3,
    slices: int = 16,
    frames: int = 21,
    history: History = "one_shot",
    plastic: bool = False,
    contact: bool = True,
    weights: str | Path = "none",
    init_seed: int = 0,
) -> Transolver:
    """Transolver, a baseline: attention between slices of the mesh.

    Args:
        size: see `mask_morph_unet`; of it the width counts.
        blocks: layers.
        slices: of each head.
        frames: see `mask_morph_unet`.
        history: see `mask_morph_unet`.
        plastic: see `mask_morph_unet`.
        contact: see `mask_morph_unet`.
        weights: see `mask_morph_unet`; none are shipped.
        init_seed: seeds random weights.

    Shapes: as `mask_morph_unet`.

    Units: as `mask_morph_unet`.

    Source: Wu et al. 2024, arXiv:2402.02366.
    """

    def make(chosen: Size, card: dict[str, str]) -> Transolver:
        return Transolver(
            chosen,
            blocks=blocks,
            slices=slices,
            frames=frames,
            history=history,
            plastic=plastic,
            contact=contact,
            card=card,
        )

    model = _built(make, "Transolver", size, weights, init_seed)
    load_weights(model, str(weights), f"transolver_{size}.safetensors")
    return model


def _built(
    make: Callable[[Size, dict[str, str]], Model],
    architecture: str,
    size: SizeName,
    weights: str | Path,
    init_seed: int,
) -> Model:
    """A model with random weights; the global generator stays as it was."""
    origin = {"none": "random, seeded", "shipped": "shipped, made here"}
    found = origin.get(str(weights), f"local, {Path(weights).name}")
    licence = "Apache-2.0" if str(weights) == "shipped" else "not known"
    card = {"architecture": f"{architecture}, size {size}", "weights": found}
    card["licence"] = "none (random weights)" if str(weights) == "none" else licence
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        model = make(SIZES[size], card)
    model.example_input = partial(example_graph, SIZES[size])
    return model
