"""Make the weights of size `tiny`: a variational autoencoder, trained by the online loop.

`python -m scionwood_pde.model.pretrain` repeats what made the files that ship, in about four
minutes of one core that multiplies in bfloat16, and in eight of another, or of one whose bfloat16
is wrong.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from scionwood import volumes_fail_in_bfloat16
from scionwood_pde.model import SIZES, Tadpole
from scionwood_pde.model.principal import principal_start
from scionwood_pde.model.weights import save_weights
from scionwood_pde.online import Cropper, Here, OnlineLoop, Schedule, Simulator

EQUATIONS = (
    "burgers",
    "fisher_kpp",
    "kuramoto_sivashinsky",
    "swift_hohenberg",
    "advection_diffusion",
    "wave",
    "allen_cahn",
    "korteweg_de_vries",
)
"""What the shipped weights have seen. Navier-Stokes, Kolmogorov flow, Gray-Scott and the linear
equations but two are held out, so that transfer can be measured."""

HELD_OUT = ("navier_stokes", "kolmogorov_flow", "gray_scott")

SIDE, POINTS = 32, 48
KL_WEIGHT = 1e-6
STEPS = 600


def pretrain(
    *,
    steps: int = STEPS,
    batch: int = 8,
    lr: float = 6e-5,
    measured: int = 512,
    seed: int = 0,
    report: Callable[[int, float, Tadpole], None] | None = None,
) -> Tadpole:
    """Train size `tiny` on cubes of 32^3 from simulations on 48^3 points.

    The model starts as the principal components of the first cubes. The loss is the mean squared
    error and 1e-6 of the divergence from the unit normal distribution, in nats a latent; there is
    no adversarial term. Products are in bfloat16 where the CPU has them right, all else in float32.

    Args:
        steps: optimiser steps (AdamW, half a cosine).
        batch: cubes a step.
        lr: the highest learning rate.
        measured: cubes that the start is made from.
        seed: seeds weights, simulations and latents.
        report: is told the step, its mean squared error and the model.

    Returns:
        The autoencoder.

    Source: Tadpole, arXiv:2605.15284, in small; the start is this project's.
    """
    cubes = online_cubes(seed, measured)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Tadpole(SIZES["tiny"]).train()
    principal_start(model, _drawn(cubes, measured), torch.Generator().manual_seed(seed))
    noise = torch.Generator().manual_seed(seed)
    fast = not volumes_fail_in_bfloat16(torch.device("cpu"))
    parameters = [*model.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.01, betas=(0.9, 0.99))
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for step in range(steps):
        x = _drawn(cubes, batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            latents = model.encode(x)
            z = latents.sample(torch.randn(latents.mean.shape, generator=noise))
            restored = model.decode(z, x.shape[2:])
        error = (restored.float() - x).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(error + KL_WEIGHT * latents.kl().float().mean())
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        rate.step()
        if report is not None:
            report(step, error.item(), model)
    return model.eval()


def online_cubes(seed: int, capacity: int = 512) -> OnlineLoop:
    """The stream of cubes (1, 32, 32, 32) that the pretraining sees, each twice on the average."""
    simulator = Simulator(EQUATIONS, POINTS, seed=seed, branch="pretrain")
    return OnlineLoop(Here(simulator), Cropper(SIDE), Schedule(capacity, reuse=2, max_uses=8))


@torch.no_grad()
def reconstruction_error(
    model: Tadpole, equations: tuple[str, ...], *, per_equation: int = 8, seed: int = 1
) -> dict[str, float]:
    """The error of reconstruction on simulations of the test branch, for each equation.

    Args:
        model: whose latents' means are decoded.
        equations: names.
        per_equation: cubes of each.
        seed: of the simulations.

    Returns:
        Name to root mean square error over cubes of unit variance: 1 for predicting the mean.
    """
    found = {}
    for name in equations:
        source = Here(Simulator((name,), POINTS, seed=seed, branch="test"))
        loop = OnlineLoop(source, Cropper(SIDE), Schedule(1, 1, 1))
        x = torch.stack([next(loop) for _ in range(per_equation)])
        found[name] = float((model(x) - x).square().mean((1, 2, 3, 4)).sqrt().mean())
    return found


def table(seen: dict[str, float], held_out: dict[str, float]) -> str:
    """Errors by equation as Markdown, the lowest first: what the weights' README shows."""
    lines = ["| equation | in training | RMSE |", "|---|---|---|"]
    for errors, known in ((seen, "yes"), (held_out, "no")):
        for name, error in sorted(errors.items(), key=lambda item: item[1]):
            lines.append(f"| {name.replace('_', ' ')} | {known} | {error:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Train, write the weights, and say how well they reconstruct."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "weights")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=int, default=0, help="write every so many steps, too")
    options = parser.parse_args()
    began = time.monotonic()

    def report(step: int, error: float, model: Tadpole) -> None:
        done = step + 1
        if done % 100 == 0 or done == options.steps:
            left = (time.monotonic() - began) / done * (options.steps - done) / 60
            print(f"step {done}: mean squared error {error:.5f}, {left:.0f} min left", flush=True)
        if options.keep and done % options.keep == 0:
            save_weights(model, "tiny", options.out, half=True)

    model = pretrain(steps=options.steps, seed=options.seed, report=report)
    save_weights(model, "tiny", options.out, half=True)
    print(table(reconstruction_error(model, EQUATIONS), reconstruction_error(model, HELD_OUT)))


def _drawn(cubes: OnlineLoop, count: int) -> Tensor:
    return torch.stack([next(cubes) for _ in range(count)])


def _rate(step: int, steps: int) -> float:
    warm = min(200, steps // 10 + 1)
    done = max(0, step - warm) / max(1, steps - warm)
    return min(1.0, (step + 1) / warm) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


if __name__ == "__main__":
    main()
