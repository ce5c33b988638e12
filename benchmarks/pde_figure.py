"""Draw docs/figures/pde.png: a flow, its reconstruction from 32 times fewer numbers, and the error.

    python benchmarks/pde_figure.py    # a minute on one core

The flow is decaying Navier-Stokes turbulence on 64^3 points, which the shipped weights have not
seen. The figure shows the middle plane of two components of the velocity.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from runner import option, parsed
from xarray import DataArray

import scionwood_pde as pde
from scionwood_pde.evaluation import compare, figures

TARGET = Path(__file__).parents[1] / "docs" / "figures" / "pde.png"


def reconstructed(n_points: int) -> tuple[DataArray, DataArray]:
    """Return the last two states of a flow, and the same from 32 times fewer numbers."""
    size = {"n": 1, "n_points": n_points, "n_steps": 10, "substeps": 10}
    states = pde.simulate(equation="navier_stokes", seed=1, **size)[:, -2:]
    with tempfile.TemporaryDirectory() as folder:
        latents = Path(folder) / "latents.zarr"
        pde.encode(states, latents, pde.EncodeOptions(tile=32))
        return states, pde.decode(latents, options=pde.DecodeOptions(tile=32))


def main() -> None:
    options = parsed(
        __doc__,
        option("target", type=Path, nargs="?", default=TARGET),
        option("--n-points", type=int, default=64),
        threads=None,
    )
    states, restored = reconstructed(options.n_points)
    fields = {"reference": states[:, :, :2], "reconstruction": restored[:, :, :2]}
    errors = compare.errors(fields["reconstruction"], fields["reference"])
    for row in compare.table(errors, ["u_x", "u_y"]):
        print(f"{row['field']}: VRMSE {row['vrmse']:.3f}")
    figures.slices(fields).savefig(options.target, dpi=80, bbox_inches="tight")


if __name__ == "__main__":
    main()
