"""The flows of `pde_spectral.py`, simulated with exponax 0.2.0 (`pip install exponax`, MIT).

The time between frames lets persistence err by 0.1 to 0.17, so that no flow is easier than the
others because its frames are close. The seed decides the initial states.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from math import pi
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FRAMES, TRAJECTORIES = 33, 20


class Flow(NamedTuple):
    """A stepper of exponax, its initial state by key, and how its frames are taken."""

    stepper: Callable[[], Any]
    start: Callable[[Any], Any]
    warm: int  # time steps before the first frame
    stride: int  # time steps in a frame


def flows() -> dict[str, Flow]:
    """Return the flows that are simulated; `k2u` is derived from `k2w`."""
    import jax
    import jax.numpy as jnp
    from exponax import ic, stepper

    field, waves, box = ic.GaussianRandomField, ic.RandomTruncatedFourierSeries, 2 * pi
    blobs, both = ic.RandomGaussianBlobs, ic.RandomMultiChannelICGenerator

    def vorticity(size: float) -> Callable[[Any], Any]:
        draw = field(2, domain_extent=box, powerlaw_exponent=2.0, zero_mean=True, std_one=True)
        return lambda key: size * draw(64, key=key)

    def solenoidal(key: Any) -> Any:
        """Return a smooth velocity on 32^3 points: the curl of a random potential."""
        k = jnp.fft.fftfreq(32, 1 / 32)
        waves3 = jnp.stack(jnp.meshgrid(k, k, k, indexing="ij"))
        low = jnp.exp(-((waves3**2).sum(0)) / 8)
        a = jnp.fft.fftn(jax.random.normal(key, (3, 32, 32, 32)), axes=(1, 2, 3)) * low
        u = jnp.fft.ifftn(jnp.cross(1j * waves3, a, axis=0), axes=(1, 2, 3)).real
        return u / u.std()

    spots = [
        blobs(2, domain_extent=1.0, num_blobs=4, one_complement=True),
        blobs(2, domain_extent=1.0, num_blobs=4),
    ]
    start1, start2 = waves(1, cutoff=6), waves(2, cutoff=6)
    mixed = both([waves(2, cutoff=5, max_one=True)] * 2)
    return {
        "k2w": Flow(
            lambda: stepper.KolmogorovFlowVorticity(2, box, 64, 0.01, diffusivity=0.004),
            vorticity(1.0),
            4000,
            7,
        ),
        "d2w": Flow(
            lambda: stepper.NavierStokesVorticity(2, box, 64, 0.005, diffusivity=0.002),
            vorticity(3.0),
            200,
            5,
        ),
        "ks2": Flow(
            lambda: stepper.KuramotoSivashinsky(2, 36.0, 64, 0.05),
            lambda key: 0.1 * start2(64, key=key),
            1600,
            7,
        ),
        "gs2": Flow(
            lambda: stepper.reaction.GrayScott(
                2,
                1.0,
                64,
                1.0,
                diffusivity_1=2e-5,
                diffusivity_2=1e-5,
                feed_rate=0.04,
                kill_rate=0.06,
            ),
            lambda key: both(spots)(64, key=key),
            600,
            31,
        ),
        "bu2": Flow(
            lambda: stepper.Burgers(2, box, 64, 0.01, diffusivity=0.02),
            lambda key: mixed(64, key=key),
            20,
            15,
        ),
        "ks1": Flow(
            lambda: stepper.KuramotoSivashinsky(1, 60.0, 128, 0.05),
            lambda key: 0.1 * start1(128, key=key),
            2000,
            17,
        ),
        "k3d": Flow(
            lambda: stepper.KolmogorovFlowVelocity(
                3, box, 32, 0.025, diffusivity=0.02, injection_mode=2
            ),
            solenoidal,
            1200,
            12,
        ),
    }


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

    flow = flows()[name]
    step = flow.stepper()

    def run(u: Any, n: int) -> Any:
        return jax.lax.scan(lambda c, _: (step(c), None), u, None, length=n)[0]

    warm = jax.jit(lambda u: run(u, flow.warm))
    frames = jax.jit(
        lambda u: jax.lax.scan(
            lambda c, _: ((after := run(c, flow.stride)), after), u, None, length=FRAMES - 1
        )[1]
    )
    states = []
    for i in range(TRAJECTORIES):
        u = warm(flow.start(jax.random.PRNGKey(1000 * (seed + 1) + i)))
        states.append(np.concatenate([np.asarray(u)[None], np.asarray(frames(u))]))
    return np.stack(states).astype(np.float32)
