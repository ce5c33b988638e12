"""A data loader whose position and random draws can be restored exactly."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final
from weakref import WeakSet

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.stateful import Stateful
from torch.utils._pytree import tree_leaves
from torch.utils.data import Dataset, DistributedSampler, IterableDataset, Sampler, Subset
from torchdata.stateful_dataloader import StatefulDataLoader

from scionwood.errors import TrainingError
from scionwood.training.seeded import Seeded


class InexactResumeWarning(UserWarning):
    """A resumed run will differ from an uninterrupted one, because a loader keeps no position.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("error", authoring.InexactResumeWarning)  # refuses such a run
        ...     run = scionwood.fit(scionwood.resolve("pde/dynamics", smoke=True), run_dir="run")
    """


def resumable(loader: Any) -> str | None:
    """Return why a run cannot be resumed exactly with a loader, or `None` if it can.

    Args:
        loader: What `train_dataloader` returns: a loader, or a list or mapping of loaders.

    Returns:
        The classes of the loaders that cannot save and restore their position, and the rule.

    Example:
        >>> from scionwood.training import resumable
        >>> resumable(authoring.DataLoader(range(4)))
        >>> resumable(torch.utils.data.DataLoader(range(4)))
        'torch.utils.data.dataloader.DataLoader has no state_dict and load_state_dict'
    """
    parts = tree_leaves(getattr(loader, "iterables", loader))  # of Lightning's CombinedLoader
    kinds = [type(part) for part in parts if not isinstance(part, Stateful)]
    if not kinds:
        return None
    names = dict.fromkeys(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    return f"{', '.join(names)} has no state_dict and load_state_dict"


@contextmanager
def named_workers() -> Iterator[None]:
    """Turn the death of a process that reads ahead into an error that names the process.

    At the end, the workers of loaders that were started within are ended.
    """
    before = set(_STARTED)
    try:
        yield
    except RuntimeError as error:  # torch raises it in a signal handler, wherever this process is
        match = re.match(r"(DataLoader worker \(pid.*?\d\)) (.+)", str(error))
        if match is None:
            raise
        rule = f"it read data ahead and {match[2].strip().rstrip('.')}"
        remedy = "Was memory short? Lower num_workers or batch_size, and resume the run"
        raise TrainingError(match[1], rule, remedy) from error
    finally:
        for loader in set(_STARTED) - before:
            loader.stop()


@final
class DataLoader(StatefulDataLoader):  # type: ignore[misc]  # torchdata is untyped
    """torchdata's StatefulDataLoader with an order and draws that depend on seed and epoch alone.

    A sample that draws random numbers (python, numpy or torch) draws the same ones in any process
    and at any time. A resumed run therefore repeats an uninterrupted one bit for bit, with and
    without workers. Several processes share one order, and each reads its own part of it.

    Workers of a map-style dataset stay between epochs: what this process changes in the dataset
    after the first epoch does not reach them. A dataset must open its files on first use, because
    workers that fork would share a file handle that is open already.

    Args:
        dataset: a map-style dataset. An iterable one needs its own `state_dict` to be resumed.
        batch_size: samples in a batch; `None` for a dataset that yields batches.
        shuffle: whether each epoch has another order.
        sampler: an order of your own instead of `shuffle`. Draws differ between epochs only if it
            has `set_epoch` and `epoch`, like torch's DistributedSampler.
        batch_sampler: batches of your own instead of `batch_size`, `shuffle` and `sampler`.
        num_workers: processes that read ahead.
        collate_fn: makes a batch from a list of samples.
        drop_last: leave out a last batch that is not full.
        pin_memory: copy batches to page-locked memory, for CUDA.
        prefetch_factor: batches that each worker reads ahead.
        multiprocessing_context: how workers start: fork, forkserver or spawn.
        seed: seeds the order and the draws; `None` means the seed of the recipe.

    Example:
        >>> batches = list(authoring.DataLoader(range(6), batch_size=4, shuffle=True, seed=0))
        >>> [len(batch) for batch in batches]
        [4, 2]
        >>> again = list(authoring.DataLoader(range(6), batch_size=4, shuffle=True, seed=0))
        >>> all(torch.equal(one, other) for one, other in zip(batches, again, strict=True))
        True
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int | None = 1,
        shuffle: bool = False,
        *,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        pin_memory: bool = False,
        prefetch_factor: int | None = None,
        multiprocessing_context: str | None = None,
        seed: int | None = None,
    ) -> None:
        self.seed = int(os.environ.get("PL_GLOBAL_SEED", "0")) if seed is None else seed
        indexed = not isinstance(dataset, IterableDataset)
        if indexed:
            dataset = dataset if isinstance(dataset, Seeded) else Seeded(dataset, self.seed)
            if num_workers:
                # The epoch reaches workers that stay.
                dataset.number.share_memory_()
            if sampler is None and batch_sampler is None:
                sampler, shuffle = Order(dataset, self.seed, shuffle), False
        with warnings.catch_warnings():  # torchdata 0.11 calls what torch 2.13 deprecates
            warnings.filterwarnings("ignore", message="'set_vital' is deprecated")
            super().__init__(
                dataset,
                batch_size,
                shuffle,
                sampler=sampler,
                batch_sampler=batch_sampler,
                num_workers=num_workers,
                collate_fn=collate_fn,
                drop_last=drop_last,
                pin_memory=pin_memory,
                prefetch_factor=prefetch_factor,
                persistent_workers=indexed and num_workers > 0,
                multiprocessing_context=multiprocessing_context,
                # A generator of its own: an epoch must not draw from the global one.
                generator=torch.Generator().manual_seed(self.seed),
            )

    def __iter__(self) -> Iterator[Any]:
        # A generator function, because Lightning sets the epoch after it asks for the iterator.
        if isinstance(self.dataset, Seeded):
            self.dataset.number.fill_(_epoch(self.sampler, self.batch_sampler))
        if self.num_workers:
            _STARTED.add(self)
        yield from super().__iter__()

    def part(self, chosen: Sequence[int]) -> DataLoader:
        """Return a loader of some of the examples, with the same options.

        A batch is no larger than the part.

        Args:
            chosen: indices of the examples.

        Raises:
            TrainingError: the data are a stream, or have an order of their own.

        Example:
            >>> loader = authoring.DataLoader(torch.arange(8), batch_size=2)
            >>> list(loader.part([1, 3, 6]))
            [tensor([1, 3]), tensor([6])]
        """
        if not isinstance(self.dataset, Seeded) or not isinstance(self.sampler, Order):
            rule = "no part can be taken of a stream, nor of data with an order of their own"
            raise TrainingError(type(self.dataset).__name__, rule, "Take all of the data")
        size = None if self.batch_size is None else min(self.batch_size, len(chosen))
        return DataLoader(
            Subset(self.dataset.inner, list(chosen)),
            size,
            self.sampler.shuffle,
            num_workers=self.num_workers,
            collate_fn=self.collate_fn,
            drop_last=self.drop_last,
            pin_memory=self.pin_memory,
            prefetch_factor=self.prefetch_factor,
            multiprocessing_context=self.multiprocessing_context,
            seed=self.seed,
        )

    def stop(self) -> None:
        """End the workers; the next epoch starts others.

        Example:
            >>> loader = authoring.DataLoader(range(4), num_workers=1)
            >>> len(list(loader))
            4
            >>> loader.stop()
        """
        running: Any = getattr(self, "_iterator", None)
        if running is not None:
            running._shutdown_workers()
            self._iterator = None
        _STARTED.discard(self)


_STARTED: WeakSet[DataLoader] = WeakSet()
"""Loaders whose workers may run."""


@final
class Order(DistributedSampler[int]):
    """The order of an epoch, from its seed and number; each process takes its own part.

    Lightning keeps it because it is a DistributedSampler. Lightning's own sampler would replay the
    order of epoch 0 after a resume.
    """

    def __init__(self, dataset: Dataset[Any], seed: int, shuffle: bool) -> None:
        ready = dist.is_available() and dist.is_initialized()
        world, rank = (dist.get_world_size(), dist.get_rank()) if ready else (1, 0)
        super().__init__(dataset, world, rank, shuffle=shuffle, seed=seed)

    def __iter__(self) -> Iterator[int]:
        return _Position(list(super().__iter__()))


class _Position(Iterator[int]):
    """A position in an order, which torchdata can save and restore."""

    def __init__(self, order: Sequence[int]) -> None:
        self.order, self.done = order, 0

    def __next__(self) -> int:
        if self.done == len(self.order):
            raise StopIteration
        self.done += 1
        return self.order[self.done - 1]

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.done = state["done"]


def _epoch(*samplers: Any) -> int:
    epochs = (getattr(sampler, "epoch", None) for sampler in samplers)
    return next((epoch for epoch in epochs if epoch is not None), 0)
