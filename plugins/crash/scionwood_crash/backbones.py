"""The factories of the networks that recipes name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from scionwood_crash.data.encode import example_graph
from scionwood_crash.model import SIZES, MaskMorphUNet, MeshGraphNet, Size, SizeName, Transolver
from scionwood_crash.model.history import History
from scionwood_crash.model.network import Network
from scionwood_crash.model.weights import load_pretrained

Model = TypeVar("Model", bound=Network)


def mask_morph_unet(
    *,
    size: SizeName = "tiny",
    frames: int = 21,
    history: History = "one_shot",
    plastic: bool = False,
    contact: bool = True,
    mask: float = 0.0,
    conditions: Sequence[str] = (),
    links: bool = False,
    weights: str | Path = "none",
    init_seed: int = 0,
) -> MaskMorphUNet:
    """Build a Mask-Morph Graph U-Net: graphs on the mesh and on morphed coarse grids.

    Args:
        size: `tiny`, `small` or `base`; the data must have the same size.
        frames: number of states, the first at rest; the data must have as many.
        history: `one_shot` predicts all frames at once, `recurrent` one after the other.
        plastic: also predict the plastic strain of cells.
        contact: nodes in the way of the impactor move at least as far as it does.
        mask: share of nodes whose features are masked in training; the pretraining uses 0.15.
        conditions: names of further conditions of the runs; see `settings` of `crash/files`.
        links: take assemblies, whose pieces are linked by welds, ties and contact.
        weights: `none` (random), `shipped` (size `small`, 21 frames), a safetensors file, or the
            folder of a run that trained all weights.
        init_seed: seed of random weights.

    Shapes: from the fields of a `CrashGraph` with N nodes to (N, frames, 3) float32; with `plastic`
        also (cell, frames).

    Units: lengths and displacements in 100 mm, in the axes of each part.

    Raises:
        WeightsError: the weights do not exist, or have another size.
        RecipeError: `mask` is not at least 0 and less than 1.

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

    model = _built(
        make, "Mask-Morph Graph U-Net (reconstruction)", size, weights, init_seed, conditions, links
    )
    load_pretrained(model, str(weights), f"mask_morph_unet_{size}.safetensors")
    return model


def meshgraphnet(
    *,
    size: SizeName = "tiny",
    blocks: int = 6,
    frames: int = 21,
    history: History = "one_shot",
    plastic: bool = False,
    contact: bool = True,
    conditions: Sequence[str] = (),
    links: bool = False,
    max_nodes: int | None = None,
    weights: str | Path = "none",
    init_seed: int = 0,
) -> MeshGraphNet:
    """Build MeshGraphNet, a baseline that only has the mesh.

    Args:
        size: see `mask_morph_unet`; only its width is used.
        blocks: number of updates; a node sees as many edges far.
        frames: see `mask_morph_unet`.
        history: see `mask_morph_unet`.
        plastic: see `mask_morph_unet`.
        contact: see `mask_morph_unet`.
        conditions: see `mask_morph_unet`.
        links: see `mask_morph_unet`.
        max_nodes: larger graphs are computed in pieces of at most so many nodes, with less memory
            and the same result; each piece also has the nodes that are up to `blocks` edges away.
        weights: see `mask_morph_unet`; none are shipped.
        init_seed: seed of random weights.

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

    model = _built(make, "MeshGraphNet", size, weights, init_seed, conditions, links)
    model.max_nodes = max_nodes
    load_pretrained(model, str(weights), f"meshgraphnet_{size}.safetensors")
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
    conditions: Sequence[str] = (),
    links: bool = False,
    weights: str | Path = "none",
    init_seed: int = 0,
) -> Transolver:
    """Build Transolver, a baseline with attention between slices of the mesh.

    Args:
        size: see `mask_morph_unet`; only its width is used.
        blocks: number of layers.
        slices: slices of each head.
        frames: see `mask_morph_unet`.
        history: see `mask_morph_unet`.
        plastic: see `mask_morph_unet`.
        contact: see `mask_morph_unet`.
        conditions: see `mask_morph_unet`.
        links: see `mask_morph_unet`.
        weights: see `mask_morph_unet`; none are shipped.
        init_seed: seed of random weights.

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

    model = _built(make, "Transolver", size, weights, init_seed, conditions, links)
    load_pretrained(model, str(weights), f"transolver_{size}.safetensors")
    return model


def pyg(
    *,
    model: str = "GAT",
    options: dict[str, Any] | None = None,
    size: SizeName = "tiny",
    frames: int = 21,
    history: History = "one_shot",
    plastic: bool = False,
    contact: bool = True,
    conditions: Sequence[str] = (),
    weights: str | Path = "none",
    init_seed: int = 0,
) -> Network:
    """Build a backbone from a network of PyTorch Geometric, or from a graph network of yours.

    Args:
        model: a model of `torch_geometric.nn.models` such as GraphSAGE, GAT, PNA or GraphUNet, or a
            name given to `scionwood_crash.pyg.register_model`.
        options: its arguments. Channels, layers and the width of edges have defaults by `size`.
        size: see `mask_morph_unet`; only its width is used.
        frames: see `mask_morph_unet`.
        history: see `mask_morph_unet`.
        plastic: see `mask_morph_unet`.
        contact: see `mask_morph_unet`.
        conditions: see `mask_morph_unet`.
        weights: see `mask_morph_unet`; none are shipped.
        init_seed: seed of random weights.

    Shapes: as `mask_morph_unet`; it does not use coarse nodes.

    Units: as `mask_morph_unet`.

    Source: PyTorch Geometric, Fey and Lenssen 2019, arXiv:1903.02428.

    Raises:
        RecipeError: there is no such model, it refuses the options, or it does not take `x` and
            `edge_index` and return a state for each node.
        WeightsError: see `mask_morph_unet`.
    """
    from scionwood_crash.pyg.network import PygNetwork, make_model, reads_edges

    def make(chosen: Size, card: dict[str, str]) -> PygNetwork:
        inner = make_model(model, chosen.width, options or {})
        card["edges"] = "vectors are read" if reads_edges(inner) else "vectors are not read"
        example = example_graph(chosen)
        return PygNetwork(
            chosen,
            inner,
            example,
            frames=frames,
            history=history,
            plastic=plastic,
            contact=contact,
            card=card,
        )

    network = _built(make, model, size, weights, init_seed, conditions)
    load_pretrained(network, str(weights), f"pyg_{size}.safetensors")
    return network


def _built(
    make: Callable[[Size, dict[str, str]], Model],
    architecture: str,
    size: SizeName,
    weights: str | Path,
    init_seed: int,
    conditions: Sequence[str],
    links: bool = False,
) -> Model:
    """Build a model with random weights, and keep the state of the global generator."""
    origin = {"none": "random, seeded", "shipped": "shipped, made here"}
    source = origin.get(str(weights), f"local, {Path(weights).name}")
    licence = "Apache-2.0" if str(weights) == "shipped" else "not known"
    card = {"architecture": f"{architecture}, size {size}", "weights": source}
    card["licence"] = "none (random weights)" if str(weights) == "none" else licence
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        model = make(SIZES[size], card)
        if links:
            model.link()
    model.take(conditions)
    model.example_input = partial(_example, SIZES[size], len(conditions))
    return model


def _example(size: Size, conditions: int) -> tuple[torch.Tensor, ...]:
    """Return the fields of the graph of a small part, without those of assemblies."""
    return example_graph(size, conditions).alone
