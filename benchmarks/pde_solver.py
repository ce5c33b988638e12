"""The time of a step of ETDRK4: on all modes, on the kept modes, and exponax if it is installed.

    python benchmarks/pde_solver.py            # a few minutes on one core
    python benchmarks/pde_solver.py --sides 32

Navier-Stokes in 3D, one state, CPU time of one thread, in interleaved rounds. The two steps of the
plugin are compared on the modes that both have. exponax (`pip install exponax`) is not a dependency
of the plugin; without it, its column is empty.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from importlib.util import find_spec
from math import pi
from pathlib import Path

import torch
from lora.timing import Row, machine, measure, ratio, total, write

from scionwood_pde.solvers.etd import etdrk4_in_place
from scionwood_pde.solvers.fluids import NavierStokes
from scionwood_pde.solvers.kept import KeptGrid
from scionwood_pde.solvers.spectral import Grid

RESULTS = Path(__file__).parent / "results" / "pde_solver.csv"
DT, VISCOSITY, ROUNDS = 0.02, 0.01, 7


def steps_of(side: int, dtype: torch.dtype) -> tuple[dict[str, Callable[[], object]], float]:
    """Return the steps by name, and the largest relative difference between the plugin's two."""
    equation = NavierStokes(viscosity=VISCOSITY)
    grid = Grid(side, 3, 2 * pi, dtype)
    kept = KeptGrid(side, 3, 2 * pi, dtype, "cpu", 2 * (side // 2) // 3 - 1)
    generator = torch.Generator().manual_seed(0)
    field = torch.randn(1, 3, side, side, side, generator=generator, dtype=dtype)
    whole = grid.project(grid.forward(field)) * grid.resolved(2)
    low = kept.cut(whole)
    nonlinear = equation.nonlinear(kept)
    assert nonlinear is not None
    plain = equation.stepper(grid, DT, 4)
    lean = etdrk4_in_place(equation.linear(kept), nonlinear, DT, dtype)
    expected = kept.cut(plain(whole))
    difference = float((lean(low) - expected).abs().max() / expected.abs().max())
    steps: dict[str, Callable[[], object]] = {
        "all modes": lambda: plain(whole),
        "kept modes": lambda: lean(low),
    }
    if find_spec("exponax") is not None:
        steps["exponax"] = exponax_step(side, field)
    return steps, difference


def exponax_step(side: int, field: torch.Tensor) -> Callable[[], object]:
    """Return the compiled step of exponax from the same field, on one thread."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import exponax
    import jax

    if field.dtype == torch.float64:
        jax.config.update("jax_enable_x64", True)
    stepper = exponax.stepper.NavierStokesVelocity(
        3, 2 * pi, side, DT, diffusivity=VISCOSITY, order=4
    )
    spectrum = exponax.fft(jax.numpy.asarray(field[0].numpy()), num_spatial_dims=3)
    step = jax.jit(lambda u: stepper.step_fourier(u))
    return lambda: step(spectrum).block_until_ready()


@torch.no_grad()
def rows_of(side: int, dtype: torch.dtype) -> list[Row]:
    """Return a row for each step."""
    steps, difference = steps_of(side, dtype)
    times = measure({name: {"step": run} for name, run in steps.items()}, "cpu", ROUNDS)
    seconds = {name: total(each, ["step"]) for name, each in times.items()}
    rows: list[Row] = []
    for name in steps:
        over, low, high = ratio(seconds[name], seconds["kept modes"])
        rows.append(
            {
                "device": "cpu",
                "points": side,
                "dtype": str(dtype).removeprefix("torch."),
                "step": name,
                "ms": f"{1e3 * float(sorted(seconds[name])[ROUNDS // 2]):.2f}",
                "over_kept": f"{over:.2f}",
                "low": f"{low:.2f}",
                "high": f"{high:.2f}",
                "difference": f"{difference:.1e}",
                **machine("cpu"),
            }
        )
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="*", default=[32, 64])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        row
        for side in options.sides
        for dtype in (torch.float64, torch.float32)
        for row in rows_of(side, dtype)
    ]
    for row in rows:
        print(*list(row.values())[1:9], sep="\t", flush=True)
    write(options.results, rows, "cpu")


if __name__ == "__main__":
    main()
