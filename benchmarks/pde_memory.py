"""What fine-tuning Tadpole keeps for the backward pass, and how long it takes, beside peft.

    python benchmarks/pde_memory.py            # about fifteen minutes on one core
    python benchmarks/pde_memory.py --quick    # size tiny: does it run?

Bytes are those of the tensors that autograd saves, each storage once, parameters and the batch not
counted. They grow with the number of voxels: eight cubes of 32^3 have as many as a published tile.
Times are those of the process's CPU for forward and backward, in interleaved rounds; every gradient
is compared with peft's in the same run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, final

import torch
from lora.memory import kept_by
from lora.timing import Phases, Row, compared, machine, measure, total, write
from peft import LoraConfig
from torch import Tensor, nn

import scionwood
from scionwood import kernels
from scionwood_pde.backbones import tadpole

RESULTS = Path(__file__).parent / "results" / "pde_memory.csv"
RANK = 32
TOLERANCE = 1e-3  # of a gradient from peft's, relative, after all layers of rounding between them


class Arm(NamedTuple):
    """What trains, in which form."""

    title: str
    targets: str = ""
    fused: bool = False
    compiled: bool = False


PRESETS = ("all-linear", "conv", "all")
FULL = Arm("full fine-tuning")
ARMS = (
    FULL,
    *(Arm(title, targets, title == "ours") for targets in PRESETS for title in ("peft", "ours")),
)


COMPILED = Arm("ours, compiled", "all", True, True)
"""For one shape: for any, inductor of torch 2.13 fails on the backward pass."""


def model_of(size: str, arm: Arm) -> nn.Module:
    """The autoencoder, ready to train; factors B are random, so that no gradient is zero."""
    torch.manual_seed(0)  # of the factors A
    model = tadpole(size=size)
    if not arm.targets:
        return model.train()
    adapted = scionwood.attach(model, LoraConfig(r=RANK, lora_alpha=RANK), targets=arm.targets)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.data.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
    if arm.fused:
        kernels.enable(adapted)
    return adapted.train()


def memory_rows(size: str, shapes: list[tuple[int, int]]) -> Iterator[Row]:
    """MiB kept, over those of full fine-tuning."""
    for side, batch in shapes:
        x, full = cubes(side, batch), 0
        for arm in ARMS:
            model = model_of(size, arm)
            found = kept_by(model, x)
            full = full or found
            yield {
                **_about(size, side, batch, arm, model),
                "mib": f"{found / 2**20:.1f}",
                "over_full": f"{found / full:.3f}",
                **machine("cpu"),
            }


def time_rows(size: str, side: int, batch: int, rounds: int) -> Iterator[Row]:
    """Forward and backward: peers over ours of the same preset."""
    x = cubes(side, batch)
    steps = {arm: Step(model_of(size, arm), x, compiled=arm.compiled) for arm in (*ARMS, COMPILED)}
    for step in steps.values():
        step.run()  # the warm-up, whose gradients are compared
    far = {arm: _distance(steps, arm) for arm in steps if arm.fused}
    phases: dict[Arm, Phases] = {arm: {"step": step.run} for arm, step in steps.items()}
    times = measure(phases, "cpu", rounds, 0.0)
    for arm, step in steps.items():
        for targets in [arm.targets] if arm.targets else PRESETS:
            ours = total(times[Arm("ours", targets, True)], ["step"])
            yield {
                **_about(size, side, batch, arm._replace(targets=targets), step.model),
                **compared(total(times[arm], ["step"]), ours),
                "gradient_distance": far.get(arm, ""),
                "rounds": rounds,
                **machine("cpu"),
            }


@final
class Step:
    """Forward and backward on one batch."""

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
    """A seeded batch of one field."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, 1, side, side, side, generator=generator)


def _distance(steps: dict[Arm, Step], arm: Arm) -> str:
    """The largest distance of ours from peft's, relative, over the parameters.

    Raises:
        AssertionError: a gradient is missing or zero, or too far from peft's.
    """
    mine, peer = steps[arm].gradients(), steps[Arm("peft", arm.targets)].gradients()
    assert mine.keys() == peer.keys(), f"{arm}: other parameters learn than peft's"
    assert all(value.norm() > 0 for value in mine.values()), f"{arm}: a gradient is zero"
    far = max(float((mine[name] - peer[name]).norm() / peer[name].norm()) for name in mine)
    assert far < TOLERANCE, f"{arm}: {far:.1e} from peft's"
    return f"{far:.1e}"


def _about(size: str, side: int, batch: int, arm: Arm, model: nn.Module) -> Row:
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {
        "device": "cpu",
        "size": size,
        "cubes": f"{batch} x {side}^3",
        "targets": arm.targets,
        "arm": arm.title,
        "trained": trained,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="size tiny: does it run?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    size, shapes = ("tiny", [(16, 1)]) if options.quick else ("S", [(32, 8), (64, 1)])
    timed = (16, 1) if options.quick else (32, 8)
    rows = []
    parts = (memory_rows(size, shapes), time_rows(size, *timed, options.rounds))
    for row in (row for part in parts for row in part):
        print(*list(row.values())[1:11], sep="\t", flush=True)
        rows.append(row)
    write(options.results, rows, "cpu")


if __name__ == "__main__":
    main()
