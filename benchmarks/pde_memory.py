"""The memory that fine-tuning Tadpole keeps for the backward pass, and its time, against peft.

    python benchmarks/pde_memory.py            # about fifteen minutes on one core
    python benchmarks/pde_memory.py --quick    # size tiny, to see that it runs

Memory is the size of the tensors that autograd saves. Each storage counts once; parameters and the
batch do not count. It grows with the number of voxels: eight cubes of 32^3 have as many as a
published tile. Times are CPU times of forward and backward passes, in interleaved rounds. Every
gradient is compared with peft's in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple, final

import torch
from lora.memory import kept_by
from lora.timing import apart, compared, interleaved
from peft import LoraConfig
from runner import Row, machine, option, out, parsed, printed, write
from torch import Tensor, nn

import scionwood
from scionwood import kernels
from scionwood_pde.backbones import Tadpole

RANK = 32
TOLERANCE = 1e-3  # relative difference of a gradient from peft's, after the rounding of all layers


class Variant(NamedTuple):
    """What is trained, and in which implementation."""

    title: str
    targets: str = ""
    fused: bool = False
    compiled: bool = False


PRESETS = ("all-linear", "conv", "all")
FULL = Variant("full fine-tuning")
VARIANTS = (
    FULL,
    *(
        Variant(title, targets, title == "ours")
        for targets in PRESETS
        for title in ("peft", "ours")
    ),
)


COMPILED = Variant("ours, compiled", "all", True, True)
"""For one shape; for arbitrary shapes, inductor of torch 2.13 fails on the backward pass."""


def model_of(size: str, variant: Variant) -> nn.Module:
    """Return the autoencoder, ready to train; factors B are random, so that no gradient is zero."""
    torch.manual_seed(0)  # of the factors A
    model = Tadpole(size=size)
    if not variant.targets:
        return model.train()
    adapted = scionwood.attach(model, LoraConfig(r=RANK, lora_alpha=RANK), targets=variant.targets)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.data.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
    if variant.fused:
        kernels.enable(adapted)
    return adapted.train()


def memory_rows(size: str, shapes: list[tuple[int, int]]) -> Iterator[Row]:
    """Yield the MiB kept, also relative to full fine-tuning."""
    for side, batch in shapes:
        x, full = cubes(side, batch), 0
        for variant in VARIANTS:
            model = model_of(size, variant)
            stored = kept_by(model, x)
            full = full or stored
            yield {
                **_about(size, side, batch, variant, model),
                "mib": f"{stored / 2**20:.1f}",
                "over_full": f"{stored / full:.3f}",
                **machine(),
            }


def time_rows(size: str, side: int, batch: int, rounds: int) -> Iterator[Row]:
    """Yield times of forward and backward passes, relative to ours of the same preset."""
    x = cubes(side, batch)
    steps = {
        variant: Step(model_of(size, variant), x, compiled=variant.compiled)
        for variant in (*VARIANTS, COMPILED)
    }
    for step in steps.values():
        step.run()  # the warm-up, whose gradients are compared
    far = {variant: _distance(steps, variant) for variant in steps if variant.fused}
    times = interleaved({variant: step.run for variant, step in steps.items()}, rounds, warm=0.0)
    for variant, step in steps.items():
        for targets in [variant.targets] if variant.targets else PRESETS:
            yield {
                **_about(size, side, batch, variant._replace(targets=targets), step.model),
                **compared(times[variant], times[Variant("ours", targets, True)]),
                "gradient_distance": far.get(variant, ""),
                "rounds": rounds,
                **machine(),
            }


@final
class Step:
    """A forward and a backward pass on one batch."""

    def __init__(self, model: nn.Module, x: Tensor, *, compiled: bool = False) -> None:
        self.model, self.x = model, x
        self.call = torch.compile(model, dynamic=False) if compiled else model

    def run(self) -> None:
        self.model.zero_grad()
        (self.call(self.x) - self.x).square().mean().backward()

    def gradients(self) -> dict[str, Tensor]:
        parameters = self.model.named_parameters()
        return {name: p.grad.double() for name, p in parameters if p.grad is not None}


def cubes(side: int, batch: int) -> Tensor:
    """Return a seeded batch of one field."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, 1, side, side, side, generator=generator)


def _distance(steps: dict[Variant, Step], variant: Variant) -> str:
    """Return the largest relative difference of our gradients from peft's; see `apart`."""
    mine, peer = steps[variant].gradients(), steps[Variant("peft", variant.targets)].gradients()
    return apart(mine, peer, str(variant), TOLERANCE)


def _about(size: str, side: int, batch: int, variant: Variant, model: nn.Module) -> Row:
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {
        "device": "cpu",
        "size": size,
        "cubes": f"{batch} x {side}^3",
        "targets": variant.targets,
        "method": variant.title,
        "trained": trained,
    }


def main() -> None:
    options = parsed(
        __doc__,
        option("--quick", action="store_true", help="size tiny, to see that it runs"),
        option("--rounds", type=int, default=5),
        out("pde_memory"),
    )
    size, shapes = ("tiny", [(16, 1)]) if options.quick else ("S", [(32, 8), (64, 1)])
    cube = (16, 1) if options.quick else (32, 8)
    rows = chain(memory_rows(size, shapes), time_rows(size, *cube, options.rounds))
    write(options.out, printed(rows))


if __name__ == "__main__":
    main()
