"""The time of a step of ETDRK4: on all modes, on the kept modes, and exponax if it is installed.

    python benchmarks/pde_solver.py            # a few minutes on one core
    python benchmarks/pde_solver.py --sides 32

Navier-Stokes in 3D, one state, CPU time of one thread. The plugin and exponax run in processes of
their own, one for each precision: JAX's switch for double precision holds for a whole process, and
then steps from single precision become double too. The processes take turns, A B, B A, and each
turn gives one pair. The two steps of the plugin are compared on the modes that both have. exponax
(`pip install exponax`) is not a dependency of the plugin; without it, its column is empty.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from math import pi
from typing import Any

import numpy as np
import torch
from lora.timing import measure, ratio
from runner import Row, machine, option, out, parsed, printed, write

from scionwood_pde.solvers.etd import etdrk4_in_place
from scionwood_pde.solvers.fluids import NavierStokes
from scionwood_pde.solvers.kept import KeptGrid
from scionwood_pde.solvers.spectral import Grid

DT, VISCOSITY, ROUNDS = 0.02, 0.01, 15
Steps = dict[str, Callable[[], object]]


def plugin_steps(side: int, dtype: torch.dtype) -> tuple[Steps, float]:
    """Return the steps by name, and the largest relative difference between the two."""
    equation = NavierStokes(viscosity=VISCOSITY)
    grid = Grid(side, 3, 2 * pi, dtype)
    grid_of_modes = KeptGrid(side, 3, 2 * pi, dtype, "cpu", 2 * (side // 2) // 3 - 1)
    spectrum = grid.project(grid.forward(field_of(side, dtype))) * grid.resolved(2)
    low = grid_of_modes.cut(spectrum)
    nonlinear = equation.nonlinear(grid_of_modes)
    assert nonlinear is not None
    plain = equation.stepper(grid, DT, 4)
    lean = etdrk4_in_place(equation.linear(grid_of_modes), nonlinear, DT, dtype)
    expected = grid_of_modes.cut(plain(spectrum))
    difference = float((lean(low) - expected).abs().max() / expected.abs().max())
    return {"all modes": lambda: plain(spectrum), "kept modes": lambda: lean(low)}, difference


def exponax_steps(side: int, dtype: torch.dtype) -> tuple[Steps, float]:
    """Return the compiled step of exponax from the same field, on one thread."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import exponax
    import jax

    jax.config.update("jax_enable_x64", dtype == torch.float64)
    stepper = exponax.stepper.NavierStokesVelocity(
        3, 2 * pi, side, DT, diffusivity=VISCOSITY, order=4
    )
    spectrum = exponax.fft(jax.numpy.asarray(field_of(side, dtype)[0].numpy()), num_spatial_dims=3)
    step = jax.jit(lambda u: stepper.step_fourier(u))
    dtype_of_step, expected = (
        step(spectrum).dtype,
        "complex128" if dtype == torch.float64 else "complex64",
    )
    assert dtype_of_step == expected, f"exponax computes with {dtype_of_step}"
    return {"exponax": lambda: step(spectrum).block_until_ready()}, 0.0


def field_of(side: int, dtype: torch.dtype) -> torch.Tensor:
    """Return the same random velocity for all, (1, 3, side, side, side)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, 3, side, side, side, generator=generator, dtype=dtype)


LIBRARIES = {"plugin": plugin_steps, "exponax": exponax_steps}


@torch.no_grad()
def serve(library: str, side: int, dtype: str) -> None:
    """Print the difference, and then the seconds of each step for each line that comes in."""
    torch.set_num_threads(1)
    steps, difference = LIBRARIES[library](side, getattr(torch, dtype))
    print(json.dumps(difference), flush=True)
    for _ in sys.stdin:
        times = measure({name: {"step": run} for name, run in steps.items()}, "cpu", 1, 0.1)
        print(json.dumps({name: time["step"][0] for name, time in times.items()}), flush=True)


class Process:
    """A process with the steps of a library in a precision."""

    def __init__(self, library: str, side: int, dtype: str) -> None:
        command = [sys.executable, __file__, "--serve", library, str(side), dtype]
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.difference: float = self._read()

    def turn(self) -> dict[str, float]:
        """Return the CPU seconds of each step."""
        assert self.child.stdin is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        seconds: dict[str, float] = self._read()
        return seconds

    def _read(self) -> Any:
        assert self.child.stdout is not None
        return json.loads(self.child.stdout.readline())

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.communicate()


def rows_of(side: int, dtype: str) -> list[Row]:
    names = [item for item in LIBRARIES if item == "plugin" or find_spec(item)]
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(item, side, dtype)) for item in names]
        turns: list[dict[str, float]] = []
        for number in range(ROUNDS):
            order = processes[:: -1 if number % 2 else 1]
            turns.append({k: v for item in order for k, v in item.turn().items()})
    seconds = {name: np.array([turn[name] for turn in turns]) for name in turns[0]}
    rows: list[Row] = []
    for name in sorted(seconds, key=["all modes", "kept modes", "exponax"].index):
        over, low, high = ratio(seconds[name], seconds["kept modes"])
        rows.append(
            {
                "device": "cpu",
                "points": side,
                "dtype": dtype,
                "step": name,
                "ms": f"{1e3 * float(np.median(seconds[name])):.2f}",
                "over_kept": f"{over:.2f}",
                "low": f"{low:.2f}",
                "high": f"{high:.2f}",
                "difference": f"{processes[0].difference:.1e}",
                **machine(),
            }
        )
    return rows


def main() -> None:
    options = parsed(
        __doc__,
        option("--sides", type=int, nargs="*", default=[32, 64]),
        out("pde_solver"),
        option("--serve", nargs=3, help=argparse.SUPPRESS),
        threads=None,
    )
    if options.serve:
        library, side, dtype = options.serve
        serve(library, int(side), dtype)
        return
    torch.set_num_threads(1)
    rows = (
        row
        for side in options.sides
        for dtype in ("float64", "float32")
        for row in rows_of(side, dtype)
    )
    write(options.out, printed(rows))


if __name__ == "__main__":
    main()
