"""Make the weights of size `tiny`: a variational autoencoder, trained with the online loop.

`python -m scionwood_pde.model.pretrain` reproduces the shipped files. It takes about an hour of one
core that multiplies in bfloat16. It takes two on other cores, and on those whose bfloat16 is wrong.
With `--resume FILE` a stopped training continues, and gives the weights of one that ran through.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from scionwood.authoring import Resume, minimise, volumes_fail_in_bfloat16, warm_cosine
from scionwood_pde.model import Tadpole
from scionwood_pde.model.principal import principal_start
from scionwood_pde.model.weights import save_weights
from scionwood_pde.online import Cropper, InProcessSource, OnlineLoop, Schedule, Simulator

EQUATIONS = (
    "burgers",
    "fisher_kpp",
    "kuramoto_sivashinsky",
    "swift_hohenberg",
    "advection_diffusion",
    "wave",
    "allen_cahn",
    "korteweg_de_vries",
    "diffusion",
    "dispersion",
    "hyper_diffusion",
)
"""The equations of the training. Navier-Stokes, Kolmogorov flow and Gray-Scott are left out, so
that transfer can be measured."""

HELD_OUT = ("navier_stokes", "kolmogorov_flow", "gray_scott")

SIDE, POINTS = 32, 48
KL_WEIGHT = 1e-6
STEPS, SHIFTED_STEPS = 7000, 1500
SPREAD, SHIFT = 0.5, 1.0
"""Deviations of the logarithm of the scale, and of the mean, of the cubes of the last steps."""


def pretrain(
    *,
    steps: int = STEPS,
    shifted_steps: int = SHIFTED_STEPS,
    batch: int = 8,
    lr: float = 1.2e-4,
    measured: int = 512,
    seed: int = 0,
    label: str = "",
    resume: Path | None = None,
) -> Tadpole:
    """Train size `tiny` on cubes of 32^3 from simulations on 48^3 points.

    The model starts from the principal components of the first cubes. The loss is the mean squared
    error plus 1e-6 times the divergence from the unit normal distribution, in nats for each latent
    value; there is no adversarial term. In the second part of the training, half of the cubes have
    another scale and another mean, as tiles of a larger domain have. Products are computed in
    bfloat16 if the CPU computes them correctly, everything else in float32.

    Args:
        steps: optimiser steps of the first part (AdamW, half a cosine).
        shifted_steps: optimiser steps of the second part, with half a cosine of its own.
        batch: cubes in a step.
        lr: highest learning rate.
        measured: number of cubes from which the start is computed.
        seed: seed of weights, simulations and latents.
        label: name of the progress display; empty shows none.
        resume: file that keeps the state of the first part, beside which the file `.shifted` keeps
            that of the second; a stopped training continues from them.

    Returns:
        The autoencoder.

    Source: Tadpole, arXiv:2605.15284, at a small scale; the start is this project's.
    """
    cubes = online_cubes(seed, measured)
    model = Tadpole(init_seed=seed).train()
    principal_start(model, _next_batch(cubes, measured), torch.Generator().manual_seed(seed))
    noise = torch.Generator()
    fast = not volumes_fail_in_bfloat16(torch.device("cpu"))

    def loss(first: int, step: int) -> Tensor:
        x = _next_batch(cubes, batch)
        step += first
        noise.manual_seed((seed << 32) + step)  # so that a stopped training draws the same
        scale = torch.ones(batch, 1, 1, 1, 1)
        if step >= steps:
            scale, mean = _moments(batch, noise)
            x = x * scale + mean
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            latents = model.encode(x)
            z = latents.sample(torch.randn(latents.mean.shape, generator=noise))
            restored = model.decode(z, x.shape[2:])
        error = ((restored.float() - x) / scale).square().mean()
        return error + KL_WEIGHT * latents.kl().float().mean()

    for first, count, suffix in ((0, steps, ""), (steps, shifted_steps, ".shifted")):
        checkpoint = None if resume is None else resume.with_name(resume.name + suffix)
        minimise(
            partial(loss, first),
            model.parameters(),
            steps=count,
            lr=lr,
            weight_decay=0.01,
            betas=(0.9, 0.99),
            schedule=warm_cosine(count),
            clip=1.0,
            label=label,
            resume=None
            if checkpoint is None
            else Resume(checkpoint, {"model": model, "cubes": cubes}),
        )
    return model.eval()


def online_cubes(seed: int, capacity: int = 512) -> OnlineLoop:
    """Return the stream of cubes (1, 32, 32, 32), each of which is used twice on average."""
    simulator = Simulator(EQUATIONS, POINTS, seed=seed, branch="pretrain")
    return OnlineLoop(
        InProcessSource(simulator), Cropper(SIDE), Schedule(capacity, reuse=2, max_uses=8)
    )


@torch.no_grad()
def reconstruction_error(
    model: Tadpole, equations: tuple[str, ...], *, per_equation: int = 8, seed: int = 1
) -> dict[str, float]:
    """Return the reconstruction error on simulations of the test branch, for each equation.

    Args:
        model: the model; the means of its latents are decoded.
        equations: names of equations.
        per_equation: cubes of each equation.
        seed: seed of the simulations.

    Returns:
        The root mean square error by name, over cubes of unit variance. Predicting the mean gives
        1.
    """
    errors = {}
    for name in equations:
        source = InProcessSource(Simulator((name,), POINTS, seed=seed, branch="test"))
        loop = OnlineLoop(source, Cropper(SIDE), Schedule(1, 1, 1))
        x = torch.stack([next(loop) for _ in range(per_equation)])
        errors[name] = float((model(x) - x).square().mean((1, 2, 3, 4)).sqrt().mean())
    return errors


def table(in_training: dict[str, float], held_out: dict[str, float]) -> str:
    """Return errors by equation as Markdown, the lowest first, for the README of the weights."""
    lines = ["| equation | in training | RMSE |", "|---|---|---|"]
    for errors, was_trained in ((in_training, "yes"), (held_out, "no")):
        for name, error in sorted(errors.items(), key=lambda item: item[1]):
            lines.append(f"| {name.replace('_', ' ')} | {was_trained} | {error:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Train, write the weights, and print their reconstruction errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "weights")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--shifted-steps", type=int, default=SHIFTED_STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", type=Path, help="a file that keeps the state, to continue")
    options = parser.parse_args()
    model = pretrain(
        steps=options.steps,
        shifted_steps=options.shifted_steps,
        seed=options.seed,
        label="pretraining",
        resume=options.resume,
    )
    save_weights(model, "tiny", options.out, half=True)
    print(table(reconstruction_error(model, EQUATIONS), reconstruction_error(model, HELD_OUT)))


def _moments(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return scales and means for cubes, (count, 1, 1, 1, 1); half of them are 1 and 0."""
    noise = torch.randn(2, count, 1, 1, 1, 1, generator=generator)
    changed = torch.rand(count, 1, 1, 1, 1, generator=generator) < 0.5
    scale = torch.where(changed, (SPREAD * noise[0]).exp(), 1.0)
    return scale, torch.where(changed, SHIFT * noise[1], 0.0)


def _next_batch(cubes: OnlineLoop, count: int) -> Tensor:
    return torch.stack([next(cubes) for _ in range(count)])


if __name__ == "__main__":
    main()
