"""The flows of `pde_spectral.py`, simulated with exponax 0.2.0 (`pip install exponax`, MIT).

The time between frames lets persistence err by 0.1 to 0.17, so that no flow is easier than the
others because its frames are close. The seed decides the initial states.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from math import pi
from pathlib import Path
from typing import Any

import numpy as np

FRAMES, TRAJECTORIES, BOX = 33, 20, 2 * pi
PLAN = {
    "k2w": (4000, 7),
    "d2w": (200, 5),
    "ks2": (1600, 7),
    "gs2": (600, 31),
    "bu2": (20, 15),
    "ks1": (2000, 17),
    "k3d": (1200, 12),
}
"""Time steps before the first frame, and between two frames; `k2u` is derived from `k2w`."""


def steppers() -> Mapping[str, Callable[[], Any]]:
    """Return what makes a time step of each flow."""
    from exponax import stepper as of

    gray_scott = {"feed_rate": 0.04, "kill_rate": 0.06}
    gray_scott |= {"diffusivity_1": 2e-5, "diffusivity_2": 1e-5}
    return {
        "k2w": lambda: of.KolmogorovFlowVorticity(2, BOX, 64, 0.01, diffusivity=0.004),
        "d2w": lambda: of.NavierStokesVorticity(2, BOX, 64, 0.005, diffusivity=0.002),
        "ks2": lambda: of.KuramotoSivashinsky(2, 36.0, 64, 0.05),
        "gs2": lambda: of.reaction.GrayScott(2, 1.0, 64, 1.0, **gray_scott),
        "bu2": lambda: of.Burgers(2, BOX, 64, 0.01, diffusivity=0.02),
        "ks1": lambda: of.KuramotoSivashinsky(1, 60.0, 128, 0.05),
        "k3d": lambda: of.KolmogorovFlowVelocity(
            3, BOX, 32, 0.025, diffusivity=0.02, injection_mode=2
        ),
    }


def starts() -> Mapping[str, Callable[[Any], Any]]:
    """Return what draws the initial state of each flow from a key."""
    import jax
    from exponax import ic

    waves, blobs, both = ic.RandomTruncatedFourierSeries, ic.RandomGaussianBlobs, _of_channels
    noise = ic.GaussianRandomField(
        2, domain_extent=BOX, powerlaw_exponent=2.0, zero_mean=True, std_one=True
    )
    spots = [blobs(2, domain_extent=1.0, num_blobs=4, one_complement=one) for one in (True, False)]
    mixed = [waves(2, cutoff=5, max_one=True)] * 2
    return {
        "k2w": lambda key: noise(64, key=key),
        "d2w": lambda key: 3 * noise(64, key=key),
        "ks2": lambda key: 0.1 * waves(2, cutoff=6)(64, key=key),
        "gs2": lambda key: both(spots)(64, key=key),
        "bu2": lambda key: both(mixed)(64, key=key),
        "ks1": lambda key: 0.1 * waves(1, cutoff=6)(128, key=key),
        "k3d": lambda key: _solenoidal(jax.random.normal(key, (3, 32, 32, 32))),
    }


def _of_channels(generators: list[Any]) -> Any:
    from exponax.ic import RandomMultiChannelICGenerator

    return RandomMultiChannelICGenerator(generators)


def _solenoidal(potential: Any) -> Any:
    """Return a smooth velocity: the curl of a random potential (3, x, y, z), of deviation 1."""
    import jax.numpy as jnp

    side = potential.shape[-1]
    k = jnp.fft.fftfreq(side, 1 / side)
    waves = jnp.stack(jnp.meshgrid(k, k, k, indexing="ij"))
    spectrum = jnp.fft.fftn(potential, axes=(1, 2, 3)) * jnp.exp(-((waves**2).sum(0)) / 8)
    u = jnp.fft.ifftn(jnp.cross(1j * waves, spectrum, axis=0), axes=(1, 2, 3)).real
    return u / u.std()


def velocity(vorticity: np.ndarray) -> np.ndarray:
    """Return the velocity (..., 2, x, y) of a plane vorticity (..., 1, x, y) in a box of 2 pi."""
    side = vorticity.shape[-1]
    k = np.fft.fftfreq(side, 1 / side)
    x, y = np.meshgrid(k, k, indexing="ij")
    square = np.where(x**2 + y**2 == 0, 1, x**2 + y**2)
    stream = np.fft.fft2(vorticity[..., 0, :, :]) / square
    odd = [np.where(np.abs(line) == side / 2, 0, line) for line in (y, -x)]
    parts = [np.fft.ifft2(1j * line * stream).real for line in odd]
    return np.stack(parts, axis=-3).astype(np.float32)


def flow_of(name: str, seed: int, folder: Path) -> np.ndarray:
    """Return trajectories (20, 33, field, *space) float32, simulated unless the folder has them."""
    path = folder / f"{name}_{seed}.npy"
    if not path.is_file():
        states = velocity(flow_of("k2w", seed, folder)) if name == "k2u" else _made(name, seed)
        if not np.isfinite(states).all():
            raise FloatingPointError(f"{name}, seed {seed}: a state is not finite")
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, states)
    made: np.ndarray = np.load(path)
    return made


def _made(name: str, seed: int) -> np.ndarray:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax

    step, draw, (before, stride) = steppers()[name](), starts()[name], PLAN[name]

    def run(u: Any, n: int) -> Any:
        return jax.lax.scan(lambda c, _: (step(c), None), u, None, length=n)[0]

    def frames(u: Any) -> Any:
        first = run(u, before)
        later = lambda c, _: ((after := run(c, stride)), after)  # noqa: E731
        rest = jax.lax.scan(later, first, None, length=FRAMES - 1)[1]
        return jax.numpy.concatenate([first[None], rest])

    compiled = jax.jit(frames)
    keys = (jax.random.PRNGKey(1000 * (seed + 1) + i) for i in range(TRAJECTORIES))
    return np.stack([np.asarray(compiled(draw(key))) for key in keys]).astype(np.float32)
