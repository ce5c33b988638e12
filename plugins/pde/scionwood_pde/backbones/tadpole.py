"""Tadpole as an autoencoder, as a model of dynamics and as a generator, with its weights."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from scionwood import WeightsError, load_weights
from scionwood_pde.model import (
    SIZES,
    Boundary,
    Coder,
    Size,
    SizeName,
    Tadpole,
    TadpoleDynamics,
    TadpoleFlow,
    Tiling,
)
from scionwood_pde.model.weights import LICENCE, REMEDY, REPOSITORY, download, load_both

Model = TypeVar("Model", bound=Coder)
SOURCE = "Tadpole, arXiv:2605.15284"
HEAD_REMEDY = "Give head.safetensors of a run of pde/tadpole_flow with the same fields and labels"
SHIPPED = "tiny"
"""The size whose weights the package ships; the authors publish the other sizes."""


def tadpole(
    *,
    size: SizeName = "tiny",
    weights: str | Path = "none",
    init_seed: int = 0,
    tile: int | None = None,
    halo: int = 0,
    boundary: Boundary = "edge",
    at_once: int = 0,
) -> Tadpole:
    """Build Tadpole as an autoencoder: fields to latents with a 16th of the sides, and back.

    Args:
        size: `tiny` for CPUs, or a published size: `S`, `B` or `L`.
        weights: `none` (random), `shipped` (`tiny` only), `hub` or `hub:REVISION` (the authors'
            files), or a folder with `tadpole_SIZE_encoder.safetensors` and the decoder's file.
        init_seed: seed of random weights.
        tile: voxels along each axis that the network processes at once, a multiple of 16. `None`
            means the whole domain. Results depend on it; the published weights were trained on 64.
        halo: voxels at each face of a tile that are computed and dropped, a multiple of 16.
        boundary: values beyond the domain: its outermost values (`edge`) or those of its opposite
            side (`periodic`).
        at_once: most tiles that the network processes at once; 0 means no limit.

    Shapes: (batch, field, x, y, z) to the same, float32, for any number of fields. Sides of at
        least 16 voxels are padded to multiples of 16.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.
        ValueError: tile and halo do not fit.

    Source: Tadpole, arXiv:2605.15284; the encoder and decoder are those of P3D, arXiv:2509.10186.
    """
    tiling = Tiling(tile, halo, boundary)

    def make(size: Size, card: dict[str, str]) -> Tadpole:
        return Tadpole(size, tiling=tiling, at_once=at_once, card=card)

    return _built(make, size, str(weights), init_seed)


def tadpole_dynamics(
    *,
    fields: int = 1,
    size: SizeName = "tiny",
    weights: str | Path = "none",
    init_seed: int = 0,
    tile: int | None = None,
    halo: int = 0,
    boundary: Boundary = "edge",
    at_once: int = 0,
) -> TadpoleDynamics:
    """Build Tadpole as a model of dynamics: a state to the next one.

    The head is a network over the latents of all fields, and the scales of the skip connections.
    It trains with the adapter and is saved with it. Before training, the model equals the
    autoencoder.

    Args:
        fields: number of fields of a state.
        size: see `tadpole`.
        weights: weights of the encoder and the decoder; see `tadpole`.
        init_seed: seed of random weights, including those of the head.
        tile: see `tadpole`; the network over the latents always sees the whole domain.
        halo: see `tadpole`.
        boundary: see `tadpole`.
        at_once: see `tadpole`.

    Shapes: (batch, field, x, y, z) to the same, float32. Sides of at least 16 voxels are padded to
        multiples of 16.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.
        ValueError: tile and halo do not fit.

    Source: Tadpole, arXiv:2605.15284, and its published code; reconstruction.
    """
    tiling = Tiling(tile, halo, boundary)

    def make(size: Size, card: dict[str, str]) -> TadpoleDynamics:
        return TadpoleDynamics(size, fields=fields, tiling=tiling, at_once=at_once, card=card)

    return _built(make, size, str(weights), init_seed)


def tadpole_flow(
    *,
    fields: int = 1,
    steps: int = 16,
    labels: int = 0,
    velocity: str | Path = "none",
    size: SizeName = "tiny",
    weights: str | Path = "none",
    init_seed: int = 0,
    tile: int | None = None,
    halo: int = 0,
    boundary: Boundary = "edge",
    at_once: int = 0,
) -> TadpoleFlow:
    """Build a generator of states: flow matching between noise and Tadpole's latents.

    The head is the network for the velocity, which trains with `flow`. An adapter can be attached
    to the decoder. With `velocity`, this network comes from a former run and belongs to the base.
    Adapters can then be attached to it too (targets `velocity`, or `generation` for this network
    and the convolutions of the decoder), for example to learn further equations.

    Args:
        fields: number of fields of a state.
        steps: integration steps from noise to data.
        labels: number of equations that the network for the velocity tells apart by a label; 0
            means one kind of states, without a label. The vectors of labels whose equations the
            network has not seen are random.
        velocity: `none` (the head), or `head.safetensors` of a run with this backbone, the same
            fields and the same labels.
        size: see `tadpole`.
        weights: weights of the encoder and the decoder; see `tadpole`.
        init_seed: seed of random weights, including those of the head.
        tile: see `tadpole`; the network for the velocity always sees the whole domain.
        halo: see `tadpole`.
        boundary: see `tadpole`.
        at_once: see `tadpole`.

    Shapes: noise (batch, field * latent channel, x / 16, y / 16, z / 16) to states
        (batch, field, x, y, z), float32.

    Units: noise of unit variance; each field has about zero mean and unit variance.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.
        ValueError: tile and halo do not fit.

    Source: Lipman et al. 2023, arXiv:2210.02747; in the latents of Tadpole, arXiv:2605.15284.
    """
    tiling = Tiling(tile, halo, boundary)

    def make(size: Size, card: dict[str, str]) -> TadpoleFlow:
        options = {"fields": fields, "steps": steps, "at_once": at_once, "labels": labels}
        return TadpoleFlow(size, tiling=tiling, card=card, trained=trained, **options)

    trained = str(velocity) != "none"
    model = _built(make, size, str(weights), init_seed)
    if trained:
        parts = nn.ModuleDict({name: getattr(model, name) for name in TadpoleFlow.OWN})
        load_weights(parts, velocity, remedy=HEAD_REMEDY)
        model.card["velocity"] = Path(velocity).name
    return model


def _built(
    make: Callable[[Size, dict[str, str]], Model], name: SizeName, weights: str, init_seed: int
) -> Model:
    """Return a model of a size with its weights; the global random state does not change."""
    card = {"architecture": f"Tadpole, size {name}", **origin(name, weights), "source": SOURCE}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        model = make(SIZES[name], card)
    load_coder(model, name, weights)
    return model


def load_coder(model: nn.Module, name: SizeName, weights: str) -> None:
    """Load the weights of an encoder and a decoder; `none` leaves the random ones.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.
    """
    kind, _, revision = weights.partition(":")
    if kind == "shipped":
        _load_shipped(model, name)
    elif kind == "hub":
        load_both(model, name, download(name, revision or None))
    elif kind != "none":
        load_both(model, name, Path(weights))


def _load_shipped(model: nn.Module, name: SizeName) -> None:
    if name != SHIPPED:
        raise WeightsError(
            f"weights 'shipped' of size {name!r}", f"only size {SHIPPED!r} is shipped", REMEDY
        )
    with as_file(files("scionwood_pde") / "weights") as folder:
        load_both(model, name, folder)


def origin(name: SizeName, weights: str) -> dict[str, str]:
    """Return the entries of the card about the weights."""
    kind, _, revision = weights.partition(":")
    if kind == "none":
        return {"weights": "random, seeded", "licence": "none (random weights)"}
    if kind == "shipped":
        return {"weights": "shipped", "licence": f"{LICENCE}; made here"}
    if kind == "hub":
        at = f" at {revision}" if revision else ""
        return {"weights": f"hf.co/{REPOSITORY}{at}", "licence": LICENCE}
    return {"weights": f"local folder {Path(weights).name}", "licence": "not known"}
