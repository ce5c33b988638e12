"""3D fields: Tadpole's shipped autoencoder, which knows eight equations, learns Gray-Scott."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from methods.tasks import Part, Scores, Task
from scionwood_pde.backbones import Tadpole
from scionwood_pde.model.pretrain import EQUATIONS
from scionwood_pde.online import Cropper, Simulator

SIDE, POINTS, BATCH = 32, 48, 2
NEW = ("gray_scott",)


@final
class Cubes(Task):
    """Cubes of 32^3 voxels, cut from simulations before the study; VRMSE of reconstruction."""

    metric = "vrmse"
    reference = "lora/r4"
    head = "decoder.conv_decoder.decompress."

    def __init__(self, *, quick: bool) -> None:
        side, points = (16, 16) if quick else (SIDE, POINTS)
        counts = {"train": 2, "val": 1, "test": 1} if quick else {"train": 40, "val": 3, "test": 4}
        names = {"train": "train", "val": "valid", "test": "test"}
        self.data = {
            "new": {names[b]: _cubes(NEW, b, n, side, points) for b, n in counts.items()},
            "base": {"test": _cubes(EQUATIONS, "test", len(EQUATIONS), side, points)[::3]},
        }
        self.base = Tadpole(size="tiny", weights="shipped").eval().requires_grad_(False)

    def batches(self, seed: int, count: int) -> list[Tensor]:
        cubes = self.data["new"]["train"]
        generator = torch.Generator().manual_seed(seed)
        return list(cubes[torch.randint(len(cubes), (count, BATCH), generator=generator)])

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        return (model(batch) - batch).square().mean()

    @torch.no_grad()
    def evaluate(self, model: nn.Module, what: Literal["base", "new"], part: Part) -> Scores:
        model.eval()
        errors = [
            (model(x) - x).square().mean((1, 2, 3, 4)) for x in self.data[what][part].split(4)
        ]
        item = torch.cat(errors)  # of cubes of unit variance
        return {"loss": float(item.mean()), "vrmse": float(item.sqrt().mean())}


def _cubes(
    equations: tuple[str, ...], branch: str, simulations: int, side: int, points: int
) -> Tensor:
    """Return all cubes of some simulations, (cube, 1, side, side, side), with unit variance."""
    simulator, crop = Simulator(equations, points, seed=0, branch=branch), Cropper(side)
    cubes: list[Tensor] = []
    for index in range(simulations):
        frames = simulator(index)
        if frames.valid:
            cubes += crop(frames, simulator.generator(index, 1))
    return torch.stack(cubes)
