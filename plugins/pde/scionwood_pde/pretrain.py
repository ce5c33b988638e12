"""Make the weights of size `tiny`: a variational autoencoder, trained by the online loop.

`python -m scionwood_pde.pretrain` repeats what made the files that ship, in about three minutes
of one core.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from scionwood_pde.backbones import tadpole
from scionwood_pde.model import Tadpole
from scionwood_pde.online import Cropper, Here, OnlineLoop, Schedule, Simulator
from scionwood_pde.weights import save_weights

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

SIDE, POINTS = 32, 48
KL_WEIGHT = 1e-6
LOG_VARIANCE = -6.0
"""Of the latents to begin with."""


def pretrain(
    *,
    steps: int,
    batch: int = 2,
    lr: float = 1e-3,
    seed: int = 0,
    report: Callable[[int, float], None] | None = None,
) -> Tadpole:
    """Train size `tiny` on cubes of 32^3 from simulations on 48^3 points.

    The loss is the mean squared error and 1e-6 of the divergence from the unit normal
    distribution, in nats a latent; there is no adversarial term.

    Args:
        steps: optimiser steps (AdamW, half a cosine).
        batch: cubes a step.
        lr: the highest learning rate.
        seed: seeds weights, simulations and latents.
        report: is told the step and its mean squared error.

    Returns:
        The autoencoder.

    Source: Tadpole, arXiv:2605.15284, in small.
    """
    model = tadpole(size="tiny", init_seed=seed).train()
    near_linear(model, torch.Generator().manual_seed(seed))
    cubes = online_cubes(seed)
    noise = torch.Generator().manual_seed(seed)
    parameters = [*model.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.01, betas=(0.9, 0.95))
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for step in range(steps):
        x = torch.stack([next(cubes) for _ in range(batch)])
        latents = model.encode(x)
        z = latents.sample(torch.randn(latents.mean.shape, generator=noise))
        error = (model.decode(z, x.shape[2:]) - x).square().mean()
        optimizer.zero_grad()
        (error + KL_WEIGHT * latents.kl().mean()).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        rate.step()
        if report is not None:
            report(step, error.item())
    return model.eval()


@torch.no_grad()
def near_linear(model: Tadpole, generator: torch.Generator) -> None:
    """Start a model as a chain of convolutions that keep the size of a signal.

    With torch's own initial values the branches outweigh what they are added to, and the first
    hundreds of steps teach nothing. Here branches start at zero, and latents with little noise.

    Args:
        model: changed in place.
        generator: of the kernels.
    """
    for name, module in model.named_modules():
        if name.endswith(("conv_2", "mlp.fc2")):
            nn.init.zeros_(module.weight)
        elif name.endswith("attn.qkv"):
            nn.init.zeros_(module.weight[2 * len(module.weight) // 3 :])
        elif isinstance(module, nn.Conv3d) and not name.endswith("conv_1"):
            std = module.weight[0].numel() ** -0.5
            nn.init.normal_(module.weight, std=std, generator=generator)
        if isinstance(module, nn.Conv3d) and module.bias is not None:
            nn.init.zeros_(module.bias)
    head = model.encoder.to_latent
    half = len(head.weight) // 2
    assert head.bias is not None
    head.weight[half:] *= 0.1
    nn.init.constant_(head.bias[half:], LOG_VARIANCE)


def online_cubes(seed: int) -> OnlineLoop:
    """The stream of cubes (1, 32, 32, 32) that the pretraining sees."""
    simulator = Simulator(EQUATIONS, POINTS, seed=seed, branch="pretrain")
    return OnlineLoop(Here(simulator), Cropper(SIDE), Schedule(capacity=128, reuse=4))


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


def main() -> None:
    """Train, write the weights, and say how well they reconstruct."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "weights")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    def report(step: int, error: float) -> None:
        if step % 100 == 0 or step + 1 == options.steps:
            print(f"step {step}: mean squared error {error:.4f}", flush=True)

    model = pretrain(steps=options.steps, seed=options.seed, report=report)
    save_weights(model, "tiny", options.out, half=True)
    held_out = ("navier_stokes", "kolmogorov_flow", "gray_scott")
    for name, error in reconstruction_error(model, EQUATIONS + held_out).items():
        print(f"{name}: RMSE {error:.3f}")


def _rate(step: int, steps: int) -> float:
    warm = min(50, steps // 10 + 1)
    done = max(0, step - warm) / max(1, steps - warm)
    return min(1.0, (step + 1) / warm) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


if __name__ == "__main__":
    main()
