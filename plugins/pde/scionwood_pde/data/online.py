"""Training data that are simulated while the network trains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, Literal, final

import torch.distributed as dist
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_pde.online import (
    Cluster,
    Cropper,
    InProcessSource,
    OnlineLoop,
    Schedule,
    SideStream,
    Simulator,
    Source,
    Workers,
)

FAMILIES = (
    "burgers",
    "fisher_kpp",
    "kuramoto_sivashinsky",
    "navier_stokes",
    "swift_hohenberg",
    "gray_scott",
    "advection_diffusion",
    "wave",
)
"""The default equations: one for each kind of behaviour."""


@final
class OnlineFields(SplitData):
    """Cubes of single fields, simulated while the network trains and never stored.

    A seed determines the stream of cubes, with or without workers, and a resumed run continues it.
    Validation and test use their own branches of the seed.

    Shapes: a batch holds `state`, (batch, 1, crop, crop, crop) float32.

    Units: each cube has zero mean and unit variance.

    Raises:
        RecipeError: an equation is unknown, sizes or bounds do not fit, or workers are combined
            with a GPU.

    Source: the online learning of Tadpole, arXiv:2605.15284; see `scionwood_pde.online`.

    Args:
        equations: names of `solvers.EQUATIONS`, which are simulated in turn.
        n_points: grid points of a simulation along each axis.
        crop: side of a cube in voxels, a multiple of 16.
        n_frames: frames of a simulation.
        crops_per_frame: places at which each frame is cut; every field is cut at each place.
        interval: time between frames, relative to the equation's own.
        substeps: time steps between two frames.
        capacity: cubes in the cache.
        reuse: mean number of uses of a cube.
        max_uses: largest number of uses of a cube.
        workers: processes that simulate ahead; with 0, the training process simulates on demand.
        depth: simulations that each worker keeps ready, or that a cluster has ahead.
        start: how worker processes are started.
        device: device of the solver: cpu, or cuda for a side stream next to the training
            (workers: 0).
        cluster: address of a scheduler of `dask.distributed`, such as `tcp://host:8786`, whose
            workers simulate, on this machine or on others (workers: 0). Empty means none.
        batch_size: cubes in a batch.
        n_batches: batches in an epoch.
        n_val: cubes for validation.
        n_test: cubes for the test.
        seed: seed of all random numbers.
    """

    def __init__(
        self,
        *,
        equations: Sequence[str] = FAMILIES,
        n_points: int = 48,
        crop: int = 32,
        n_frames: int = 4,
        crops_per_frame: int = 1,
        interval: float = 1.0,
        substeps: int = 1,
        capacity: int = 128,
        reuse: int = 4,
        max_uses: int = 16,
        workers: int = 0,
        depth: int = 2,
        start: Literal["forkserver", "spawn"] = "forkserver",
        device: Literal["cpu", "cuda"] = "cpu",
        cluster: str = "",
        batch_size: int = 4,
        n_batches: int = 100,
        n_val: int = 32,
        n_test: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.simulator = partial(
            _simulator,
            equations=tuple(equations),
            n_points=n_points,
            n_frames=n_frames,
            interval=interval,
            substeps=substeps,
            seed=seed,
        )
        self.device, self.workers, self.depth, self.method = device, workers, depth, start
        if device != "cpu" and workers:
            rule = "workers use the CPU; a GPU simulates in the training process"
            raise RecipeError(f"device: {device} with workers: {workers}", rule, "Set one of them")
        self.cluster = cluster
        if cluster and (device != "cpu" or workers):
            rule = "the workers of the cluster simulate, on CPUs"
            value = f"cluster: {cluster} with device: {device}, workers: {workers}"
            raise RecipeError(value, rule, "Set device: cpu and workers: 0")
        if crop % 16 or not 16 <= crop <= n_points:
            rule = f"a multiple of 16, no more than the {n_points} points of n_points"
            raise RecipeError(f"crop: {crop}", rule, "Such as 32")
        try:
            self.simulator("train")
            self.schedule = Schedule(capacity, reuse, max_uses)
        except ValueError as error:
            raise RecipeError(str(error)) from error
        self.cropper = Cropper(crop, crops_per_frame)
        self.batch_size, self.n_batches = batch_size, n_batches
        self.lengths = {"val": n_val, "test": n_test}
        self._fixed_splits: dict[str, Dataset[dict[str, Tensor]]] = {}

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; the training stream continues in the next epoch."""
        if split == "train":
            stream = _Stream(self.loop, self.batch_size * self.n_batches)
            return DataLoader(stream, batch_size=self.batch_size)
        return DataLoader(self._fixed(split), batch_size=self.batch_size)

    @cached_property
    def loop(self) -> OnlineLoop:
        """The stream of the training split, created late, when the process knows its rank."""
        return OnlineLoop(self.source(), self.cropper, self.schedule)

    def source(self) -> Source:
        """Return the source of simulations for the training split."""
        ready = dist.is_available() and dist.is_initialized()
        # Each process simulates its own numbers; equal streams would train on the same samples.
        rank = dist.get_rank() if ready else 0
        if self.device != "cpu":
            return SideStream(self.simulator("train", rank=rank, device=self.device))
        simulator = self.simulator("train", rank=rank)
        if self.cluster:
            return Cluster(simulator, self.cluster, depth=self.depth)
        if not self.workers:
            return InProcessSource(simulator)
        return Workers(simulator, count=self.workers, depth=self.depth, method=self.method)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the stream, for a checkpoint."""
        return self.loop.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the state of a checkpoint."""
        self.loop.load_state_dict(state_dict)

    def teardown(self, stage: str) -> None:
        """Stop the workers."""
        self.loop.close()

    def _fixed(self, split: str) -> Dataset[dict[str, Tensor]]:
        """Return the samples of a split that is simulated once."""
        if split not in self._fixed_splits:
            # Every cube of a fixed split is used once, so nothing is cached.
            once = Schedule(capacity=1, reuse=1, max_uses=1)
            loop = OnlineLoop(InProcessSource(self.simulator(split)), self.cropper, once)
            samples = [{"state": next(loop)} for _ in range(self.lengths[split])]
            self._fixed_splits[split] = Samples(samples)
        return self._fixed_splits[split]


@final
class Samples(Dataset[dict[str, Tensor]]):
    """Samples in memory."""

    def __init__(self, samples: list[dict[str, Tensor]]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.samples[index]


@final
class _Stream(Dataset[dict[str, Tensor]]):
    """One epoch of a loop: any index returns the next sample of the loop.

    It has a length, so that Lightning reads no batch ahead. The loop is then in step with the
    training when a checkpoint is written.
    """

    def __init__(self, loop: OnlineLoop, length: int) -> None:
        self.loop, self.length = loop, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"state": next(self.loop)}


def _simulator(
    branch: str,
    *,
    equations: tuple[str, ...],
    n_points: int,
    n_frames: int,
    interval: float,
    substeps: int,
    seed: int,
    rank: int = 0,
    device: str = "cpu",
) -> Simulator:
    return Simulator(equations, n_points, n_frames, interval, substeps, seed, branch, rank, device)
