"""Record what exponax computes, for `test_oracle.py`: `python oracle.py` writes `oracle.npz`.

Needs `pip install exponax==0.2.0`, which brings jax; the tests need neither. For each case the
file holds an initial state in float32, which both solvers read as it is, and the state 20 steps
later in float64, in 3D at every second point of each axis. Sides are odd where the highest mode of
an even one would show: exponax keeps it in odd derivatives, we leave it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from math import pi
from pathlib import Path

import exponax
import jax
import jax.numpy as jnp
import numpy as np
from exponax import stepper
from exponax.stepper import reaction

STEPS = 20
Build = Callable[..., exponax.BaseStepper]


@dataclass(frozen=True)
class Case:
    """One run: the stepper, its box, and the kind of its initial state."""

    build: Build
    dims: int
    n_points: int
    length: float
    dt: float
    options: dict[str, object]
    kind: str = "signed"


STREAM = "stream"  # the stream function psi of a flow in 2D; exponax steps laplace psi

CASES = {
    "advection_1d": Case(stepper.Advection, 1, 33, 1.0, 0.01, {"velocity": 0.7}),
    "advection_3d": Case(stepper.Advection, 3, 13, 1.0, 0.01, {"velocity": 0.7}),
    "diffusion_2d": Case(stepper.Diffusion, 2, 16, 1.0, 0.01, {"diffusivity": 0.02}),
    "dispersion_2d": Case(stepper.Dispersion, 2, 17, 1.0, 0.1, {"dispersivity": 1e-3}),
    "hyper_diffusion_2d": Case(
        stepper.HyperDiffusion, 2, 16, 1.0, 0.1, {"hyper_diffusivity": 1e-5}
    ),
    "wave_2d": Case(stepper.Wave, 2, 16, 1.0, 0.02, {"speed_of_sound": 1.3}),
    "burgers_1d": Case(
        stepper.Burgers, 1, 32, 1.0, 0.01, {"diffusivity": 0.02, "conservative": True, "order": 4}
    ),
    "burgers_2d_etdrk2": Case(stepper.Burgers, 2, 24, 1.0, 0.01, {"diffusivity": 0.02, "order": 2}),
    "burgers_2d_scalar": Case(
        stepper.Burgers,
        2,
        24,
        1.0,
        0.01,
        {"diffusivity": 0.02, "single_channel": True, "conservative": True, "order": 4},
    ),
    "burgers_3d": Case(
        stepper.Burgers, 3, 12, 1.0, 0.01, {"diffusivity": 0.02, "conservative": True, "order": 4}
    ),
    "kuramoto_sivashinsky_1d": Case(stepper.KuramotoSivashinsky, 1, 48, 22.0, 0.1, {"order": 4}),
    "kuramoto_sivashinsky_3d": Case(stepper.KuramotoSivashinsky, 3, 12, 12.0, 0.1, {"order": 4}),
    "kuramoto_sivashinsky_conservative_1d": Case(
        stepper.KuramotoSivashinskyConservative, 1, 48, 22.0, 0.1, {"order": 4}
    ),
    "navier_stokes_2d": Case(
        stepper.NavierStokesVorticity,
        2,
        25,
        2 * pi,
        0.02,
        {"diffusivity": 0.02, "drag": -0.1, "order": 4},
        STREAM,
    ),
    "kolmogorov_flow_2d": Case(
        stepper.KolmogorovFlowVorticity,
        2,
        25,
        2 * pi,
        0.02,
        {"diffusivity": 0.02, "injection_mode": 4, "injection_scale": 0.8, "order": 4},
        STREAM,
    ),
    "navier_stokes_3d": Case(
        stepper.NavierStokesVelocity, 3, 12, 2 * pi, 0.02, {"diffusivity": 0.02, "order": 4}
    ),
    "kolmogorov_flow_3d": Case(
        stepper.KolmogorovFlowVelocity,
        3,
        12,
        2 * pi,
        0.02,
        {"drag": -0.1, "injection_mode": 3, "injection_scale": 0.8, "order": 4},
    ),
    "fisher_kpp_2d": Case(
        reaction.FisherKPP, 2, 16, 1.0, 0.05, {"diffusivity": 0.01, "order": 4}, "share"
    ),
    "allen_cahn_2d": Case(reaction.AllenCahn, 2, 16, 1.0, 0.05, {"order": 4}),
    "swift_hohenberg_2d": Case(reaction.SwiftHohenberg, 2, 24, 6 * pi, 0.1, {"order": 4}),
    "gray_scott_2d": Case(
        reaction.GrayScott,
        2,
        16,
        1.0,
        1.0,
        {"diffusivity_1": 2e-4, "diffusivity_2": 1e-4, "order": 4},
        "share",
    ),
}


def initial(case: Case, channels: int, seed: int) -> np.ndarray:
    """Return a random series of the modes up to 3, with a maximum of 1, float32."""
    rng = np.random.default_rng(seed)
    shape = (case.n_points,) * case.dims
    spectrum = np.fft.fftn(rng.standard_normal((channels, *shape)), axes=range(-case.dims, 0))
    for axis in range(1, case.dims + 1):
        mode = np.abs(np.fft.fftfreq(case.n_points, 1 / case.n_points))
        spectrum = spectrum * np.expand_dims(
            mode <= 3, [i for i in range(case.dims + 1) if i != axis]
        )
    u = np.fft.ifftn(spectrum, axes=range(-case.dims, 0)).real
    u = u / np.abs(u).max()
    return ((u + 1) / 2 if case.kind == "share" else u).astype(np.float32)


def laplacian(psi: jax.Array, length: float) -> jax.Array:
    """Return the sum of second derivatives of one channel in 2D."""
    return exponax.derivative(psi, length, order=2).sum(0, keepdims=True)


def run(case: Case, start: np.ndarray) -> np.ndarray:
    """Return the state after all steps, float64."""
    step = case.build(case.dims, case.length, case.n_points, case.dt, **case.options)
    u = jnp.asarray(start, jnp.float64)
    u = laplacian(u, case.length) if case.kind == STREAM else u
    for _ in range(STEPS):
        u = step(u)
    stride = (slice(None), *[slice(None, None, 2)] * 3) if case.dims == 3 else ...
    return np.asarray(u, np.float64)[stride]


def main() -> None:
    """Run every case and write the file."""
    jax.config.update("jax_enable_x64", True)
    arrays: dict[str, np.ndarray] = {"exponax": np.array(version("exponax"))}
    for seed, (name, case) in enumerate(CASES.items()):
        step = case.build(case.dims, case.length, case.n_points, case.dt, **case.options)
        start = initial(case, step.num_channels, seed)
        arrays[f"{name}.initial"], arrays[f"{name}.final"] = start, run(case, start)
        print(name, arrays[f"{name}.final"].shape, np.abs(arrays[f"{name}.final"]).max())
    np.savez_compressed(Path(__file__).with_name("oracle.npz"), **arrays)


if __name__ == "__main__":
    main()
