"""Do the tiny weights reconstruct better than a low-pass that keeps as many numbers?

    python benchmarks/pde_tiny.py                              # the shipped weights
    python -m scionwood_pde.model.pretrain --steps 3000 --out longer
    python benchmarks/pde_tiny.py --weights longer --steps 3000

A cube of 32^3 points has 1,024 latent numbers. The low-pass keeps the 1,024 cosine waves of lowest
wave number, or the 9^3 lowest along each axis. Cubes come from simulations of the test branch and
are split into thirds by the error of the first low-pass: fine ones first. Rows of other steps stay.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from rich.progress import track
from runner import Row, machine, option, out, parsed, replace_rows
from scipy.fft import dctn, idctn
from torch import Tensor

from scionwood_pde.backbones import Tadpole
from scionwood_pde.model.pretrain import EQUATIONS, HELD_OUT, POINTS, SHIFTED_STEPS, SIDE, STEPS
from scionwood_pde.online import Cropper, InProcessSource, OnlineLoop, Schedule, Simulator

CUBES, SEED, LATENTS, BOX = 48, 1, 1024, 9
THIRDS = ("fine", "middle", "coarse")


def cubes_of(equation: str) -> Tensor:
    """Return (cube, 1, 32, 32, 32) of unit variance, one from each simulation."""
    source = InProcessSource(Simulator((equation,), POINTS, seed=SEED, branch="test"))
    loop = OnlineLoop(source, Cropper(SIDE), Schedule(1, 1, 1))
    return torch.stack([next(loop) for _ in range(CUBES)])


def low_pass_of(count: int | None) -> Tensor:
    """Return which cosine waves stay: the lowest ones, or a box of 9^3."""
    axis = torch.arange(SIDE)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))
    if count is None:
        return (grid < BOX).all(0)
    size = grid.square().sum(0).flatten()
    mask = torch.zeros(SIDE**3, dtype=torch.bool)
    mask[size.argsort(stable=True)[:count]] = True
    return mask.view(SIDE, SIDE, SIDE)


def low_pass(x: Tensor, mask: Tensor) -> Tensor:
    """Return cubes with the cosine waves of a mask alone."""
    axes = (-3, -2, -1)
    waves = dctn(x.double().numpy(), axes=axes, norm="ortho") * mask.numpy()
    return torch.from_numpy(idctn(waves, axes=axes, norm="ortho")).float()


def errors(restored: Tensor, x: Tensor) -> Tensor:
    """Return the root mean square error of each cube."""
    return (restored - x).square().mean((1, 2, 3, 4)).sqrt()


@torch.no_grad()
def measured(weights: str, steps: int) -> Iterator[Row]:
    """Yield a row for each equation and way."""
    model = Tadpole(size="tiny", weights=weights, tile=None).eval()
    for equation in track((*EQUATIONS, *HELD_OUT), "equations"):
        x = cubes_of(equation)
        lowest = errors(low_pass(x, low_pass_of(LATENTS)), x)
        ways = {
            f"low-pass, {LATENTS} numbers": lowest,
            f"low-pass, {BOX}^3 numbers": errors(low_pass(x, low_pass_of(None)), x),
            f"tiny, {steps} steps": errors(torch.cat([model(part) for part in x.split(8)]), x),
        }
        order = lowest.argsort(descending=True).chunk(len(THIRDS))
        for way, values in ways.items():
            thirds = {
                name: float(values[at].mean()) for name, at in zip(THIRDS, order, strict=True)
            }
            row = {"equation": equation, "trained": equation in EQUATIONS, "way": way}
            row |= {name: f"{value:.4f}" for name, value in thirds.items()}
            yield row | {"all": f"{float(values.mean()):.4f}"}


def main() -> None:
    options = parsed(
        __doc__,
        option("--weights", default="shipped", help="a folder with the two files"),
        option("--steps", type=int, default=STEPS + SHIFTED_STEPS, help="of training"),
        out("pde_tiny"),
    )
    about = {"device": "cpu", **machine()}
    rows = [row | about for row in measured(options.weights, options.steps)]
    replace_rows(options.out, rows, ("equation", "way"))


if __name__ == "__main__":
    main()
