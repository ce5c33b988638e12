"""States of four equations in the plane, the base and its scores, for `continual_generation.py`.

A state of the plane is repeated along z, because Tadpole reads volumes; of a generated state, the
mean over z counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor

from scionwood import attach
from scionwood.adapters import head_state
from scionwood.authoring import atomic_path, minimise, warm_cosine
from scionwood_pde.backbones import TadpoleFlow
from scionwood_pde.evaluation.metrics import FAINTEST, spectrum
from scionwood_pde.model.spectra import without_divergence
from scionwood_pde.solvers import simulate
from scionwood_pde.solvers.registry import equation_class

POINTS, DEPTH = 32, 16
BASE = "navier_stokes"
EQUATIONS = ("burgers", "gray_scott", "kolmogorov_flow")
LABELS = {name: label for label, name in enumerate((BASE, *EQUATIONS))}
FRAMES = {"navier_stokes": 24, "burgers": 20, "gray_scott": 160, "kolmogorov_flow": 60}
SUBSTEPS = {"navier_stokes": 2, "burgers": 2, "gray_scott": 5, "kolmogorov_flow": 2}
TRAJECTORIES, STATES_OF_RUN, HELD_OUT = 48, 3, 32
PARTS = ("train", "test", "floor")
DIVERGENCE_FREE = ("navier_stokes", "kolmogorov_flow")
RANK, NARROW, BATCH, BASE_STEPS = 8, 4, 32, 600
Scores = dict[str, float]


@dataclass(frozen=True)
class States:
    """States of one equation.

    Attributes:
        label: number of the equation.
        mean: mean of each field over the training states, (1, 2, 1, 1).
        std: their standard deviation, the same shape.
        parts: normalised states (n, 2, 32, 32) of `train`, `test` and `floor`, a second set of the
            test's size.
        latents: latents of `train` and `test`, before their normalisation.
    """

    label: int
    mean: Tensor
    std: Tensor
    parts: dict[str, Tensor]
    latents: dict[str, Tensor]


World = tuple[Path, dict[str, States]]
"""The file with the velocity of the base, and the states by equation."""


def volume(plane: Tensor) -> Tensor:
    """Repeat states (n, field, x, y) along z."""
    return plane.unsqueeze(-1).expand(*plane.shape, DEPTH).contiguous()


def simulated(name: str, part: str, seed: int) -> Tensor:
    """Return states (n, 2, 32, 32) of trajectories that no other part or seed has."""
    random = torch.Generator().manual_seed(1000 * seed + 10 * LABELS[name] + PARTS.index(part))
    count = TRAJECTORIES if part == "train" else HELD_OUT
    interval, frames = equation_class(name).INTERVAL, FRAMES[name]
    substeps = SUBSTEPS[name]
    spare = count + count // 4
    run = simulate(name, POINTS, 2, frames, interval, spare, random, substeps)
    fields = run.fields[run.valid][:count]
    if len(fields) < count:
        raise RuntimeError(f"{name}: {len(fields)} of {count} trajectories are finite")
    per_trajectory = STATES_OF_RUN if part == "train" else 1
    return fields[:, [-1 - 4 * back for back in range(per_trajectory)]].flatten(0, 1)


@torch.no_grad()
def states(model: TadpoleFlow, name: str, seed: int) -> States:
    """Return the states of an equation, with their latents."""
    parts = {part: simulated(name, part, seed) for part in PARTS}
    axes = (0, 2, 3)
    mean = parts["train"].mean(axes, keepdim=True)
    std = parts["train"].std(axes, keepdim=True)
    parts = {part: (x - mean) / std for part, x in parts.items()}
    latents = {
        part: torch.cat([model.encode(volume(x)).mean for x in parts[part].split(32)])
        for part in ("train", "test")
    }
    return States(LABELS[name], mean, std, parts, latents)


def generator(*, init_seed: int = 0, velocity: str | Path = "none") -> TadpoleFlow:
    """Return a generator of eight integration steps, with the shipped encoder and decoder."""
    return TadpoleFlow(
        fields=2,
        labels=len(LABELS),
        weights="shipped",
        steps=8,
        init_seed=init_seed,
        velocity=velocity,
    )


def world(seed: int, folder: Path) -> World:
    """Return the base and all states of a seed, which the folder keeps."""
    path, saved = folder / f"{seed}.safetensors", folder / f"{seed}.pt"
    if not saved.exists():
        folder.mkdir(parents=True, exist_ok=True)
        world_states = base(seed, path)
        with atomic_path(saved) as part:
            torch.save({name: vars(item) for name, item in world_states.items()}, part)
    loaded = torch.load(saved, weights_only=True)
    return path, {name: States(**item) for name, item in loaded.items()}


def base(seed: int, path: Path) -> dict[str, States]:
    """Train the velocity of the base on its equation, and write it; return all states."""
    model = generator(init_seed=seed)
    by_name = {name: states(model, name, seed) for name in LABELS}
    first = by_name[BASE]
    model.standard.measure(first.latents["train"])
    random = torch.Generator().manual_seed(seed)

    def loss(step: int) -> Tensor:
        return velocity_loss(model, first, picked(first, BATCH, random)[0], random)

    schedule = warm_cosine(BASE_STEPS)
    weights = [p for n, p in model.velocity.named_parameters() if not n.startswith("labels")]
    minimise(loss, weights, steps=BASE_STEPS, lr=2e-3, schedule=schedule, clip=1.0)
    save_file({name: value.contiguous() for name, value in head_state(model).items()}, path)
    return by_name


def picked(states: States, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return latents and states of random training samples."""
    index = torch.randint(len(states.latents["train"]), (count,), generator=random)
    return states.latents["train"][index], states.parts["train"][index]


def adapted(path: Path, seed: int) -> Any:
    """Return the base with a LoRA on velocity and decoder."""
    torch.manual_seed(seed)
    narrow = {r".*linear_conv": NARROW}  # 16 inputs have room for three tasks of rank 4
    config = LoraConfig(r=RANK, lora_alpha=RANK, rank_pattern=narrow, alpha_pattern=narrow)
    return attach(generator(velocity=path), config, targets="generation")


def both_losses(model: Any, states: States, random: torch.Generator) -> Tensor:
    """Return the loss of a batch for the velocity plus that of one state for the decoder."""
    flow = velocity_loss(model, states, picked(states, BATCH, random)[0], random)
    return flow + decoder_loss(model, *picked(states, 1, random))


def velocity_loss(model: Any, states: States, z: Tensor, random: torch.Generator) -> Tensor:
    """Return the flow-matching loss of latents, at drawn noise and times."""
    noise = torch.randn(z.shape, generator=random)
    t = torch.rand(len(z), generator=random)
    label = torch.full((len(z),), states.label)
    predicted, reference = model.matched(model.standard(z), noise, t, label)
    error: Tensor = (predicted - reference).square().mean()
    return error


def decoder_loss(model: Any, latents: Tensor, plane: Tensor) -> Tensor:
    """Return the mean squared error of the decoder."""
    decoded: Tensor = model.decode(latents, (POINTS, POINTS, DEPTH))
    error: Tensor = (decoded - volume(plane)).square().mean()
    return error


@torch.no_grad()
def losses(model: Any, states: States) -> Scores:
    """Return the two losses of the test states, with the same noise and times for every model."""
    z = states.latents["test"]
    random = torch.Generator().manual_seed(7)
    flow = sum(float(velocity_loss(model, states, z, random)) for _ in range(4)) / 4
    return {"flow": flow, "decoder": float(decoder_loss(model, z[:16], states.parts["test"][:16]))}


@torch.no_grad()
def generated(model: Any, states: States, like: Tensor) -> Tensor:
    """Return normalised states of the plane (n, 2, 32, 32), from the same noise for every model."""
    random = torch.Generator().manual_seed(11)
    noise = torch.randn(like.shape, generator=random)
    latents: Tensor = model(noise, torch.full((len(noise),), states.label)).mean(-1)
    return latents


def compared(fields: Tensor, real: Tensor) -> Scores:
    """Return distances between two sets of n states, (n, 2, 32, 32).

    `spectrum` is the distance of the mean spectra in decades, as `pde/generate` measures it.
    `mean` is the Wasserstein-1 distance between the means over space, in deviations of the field.
    """
    sides: Sequence[float] = (1.0, 1.0)
    energy, reference = (spectrum(x, sides)[1].mean(0)[:, 1:] for x in (fields, real))
    mask = reference >= FAINTEST * reference.amax(1, keepdim=True)
    decades = (energy / reference).log10().abs()[mask].mean()
    sorted_means = [x.mean((2, 3)).sort(dim=0).values for x in (fields, real)]
    gap = (sorted_means[0] - sorted_means[1]).abs().mean()
    return {"spectrum": float(decades), "mean": float(gap)}


def divergence(plane: Tensor, states: States) -> float:
    """Return the share of a velocity that Leray's projection removes, 0 (none) to 1."""
    velocity = plane * states.std + states.mean
    velocity = velocity - velocity.mean((2, 3), keepdim=True)
    compressible = velocity - without_divergence(velocity)
    return float(compressible.norm() / velocity.norm())


def scores(model: Any, states: States, name: str) -> Scores:
    """Return all scores of a model for one equation."""
    fields = generated(model, states, states.latents["test"])
    values = losses(model, states) | compared(fields, states.parts["test"])
    if name in DIVERGENCE_FREE:
        values["divergence"] = divergence(fields, states)
    return values


def floor(states: States, name: str) -> Scores:
    """Return the distances between two sets of real states, and the divergence of one."""
    values = compared(states.parts["floor"], states.parts["test"])
    if name in DIVERGENCE_FREE:
        values["divergence"] = divergence(states.parts["test"], states)
    return values
