"""Differential privacy at a site: DP-SGD by Opacus, with its PRV accountant.

Per-sample gradients come from Opacus's hooks on the layers that train, so that the fused kernels of
the core must be off. The accountant composes the distributions of the privacy loss of all steps
(PRV, Gopi et al. 2021, arXiv 2106.02848), which needs less noise than a Renyi bound. Batches are
drawn by Poisson sampling, as the accountant assumes. The noise and the draws take a secret seed:
with the seed of the recipe anybody could subtract the noise.
"""

from __future__ import annotations

import math
import secrets
import sys
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, Sampler

from scionwood_federated.update.record import FederationError


class DeltaWarning(UserWarning):
    """Delta is not below one over the samples: a budget could publish a whole sample.

    Example:
        >>> from scionwood_federated.privacy.differential import DeltaWarning
        >>> issubclass(DeltaWarning, UserWarning)
        True
    """


@dataclass(frozen=True)
class Privacy:
    """A budget of privacy.

    Attributes:
        epsilon: the budget of the round.
        delta: the probability that the budget does not hold; well below one over the samples,
            since with 1 / n an honest budget can publish one sample whole.
        clip: the largest norm of the gradient of a sample.
        before: the steps that earlier rounds took on the same data, as a record of Opacus's
            accountant: (noise, sampling rate, steps).

    Example:
        >>> from scionwood_federated import Privacy
        >>> Privacy(epsilon=4.0).delta
        1e-05
    """

    epsilon: float = 8.0
    delta: float = 1e-5
    clip: float = 1.0
    before: tuple[tuple[float, float, int], ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            FederationError: epsilon or clip is not positive, or delta not between 0 and 1.
        """
        if not (self.epsilon > 0 and self.clip > 0 and 0 < self.delta < 1):
            rule = "epsilon and clip are above 0, and delta is between 0 and 1"
            setting = f"epsilon {self.epsilon}, delta {self.delta}, clip {self.clip}"
            raise FederationError(setting, rule, "Give epsilon=8 delta=1e-5 clip=1, for instance")


class PoissonBatches(Sampler[list[int]]):
    """Draw each sample into a batch with the same probability, independently of the others.

    Args:
        count: the number of samples.
        size: the mean size of a batch.

    Attributes:
        drawn: the sizes of the batches that nobody trained on yet. A draw of none gives the first
            sample and the size 0, and its gradient does not count.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count, self.rate = count, min(size / count, 1.0)
        self.drawn: deque[int] = deque()
        # Not the seed of the recipe: who can repeat the draw knows which samples were used.
        self._draw = torch.Generator().manual_seed(secrets.randbits(63))

    def __len__(self) -> int:
        # As many batches as one pass over the data has; the mean number of samples is the same.
        return max(round(1 / self.rate), 1)

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(len(self)):
            rows = torch.rand(self.count, generator=self._draw) < self.rate
            chosen = [int(row) for row in rows.nonzero().flatten()]
            self.drawn.append(len(chosen))
            # A step without a sample still adds its noise, as the accountant assumes.
            yield chosen or [0]


class PrivateTraining(L.Callback):
    """Make the training of a run differentially private.

    Args:
        privacy: the budget.

    Raises:
        FederationError: Opacus is not installed.
    """

    def __init__(self, privacy: Privacy) -> None:
        try:
            from opacus.accountants import PRVAccountant
        except ImportError as error:
            remedy = "pip install opacus"
            raise FederationError("private training", "Opacus is not installed", remedy) from error
        self.privacy, self.accountant = privacy, PRVAccountant()
        # The losses of all steps on the same data add up.
        self.accountant.history = [tuple(entry) for entry in privacy.before]
        self.noise, self._size, self._hooks = 0.0, 0, None
        self.batches: PoissonBatches | None = None

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Draw the batches of the training data by Poisson sampling."""
        if stage != "fit":
            return
        # The accountant counts each optimiser step as one Poisson draw.
        if trainer.accumulate_grad_batches != 1 or trainer.world_size != 1:
            rule = "private training takes one process and no accumulated batches"
            raise FederationError("trainer", rule, "Set trainer.accumulate_grad_batches=1")
        data = trainer.datamodule
        ordinary = data.train_dataloader
        data.train_dataloader = lambda: self._loader(ordinary())

    def _loader(self, loader: Any) -> Any:
        dataset, size = loader.dataset, getattr(loader, "batch_size", None)
        if isinstance(dataset, IterableDataset) or not size:
            rule = "they are a stream, from which no sample can be drawn"
            raise FederationError("training data", rule, "Use data with a known number of samples")
        if self.batches is not None:
            return DataLoader(dataset, batch_sampler=self.batches, collate_fn=loader.collate_fn)
        self._size = min(size, len(dataset))
        self.batches = PoissonBatches(len(dataset), self._size)
        return DataLoader(dataset, batch_sampler=self.batches, collate_fn=loader.collate_fn)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach the hooks, find the noise for the budget, and wrap the optimiser."""
        from opacus.accountants.utils import get_noise_multiplier
        from opacus.grad_sample import GradSampleHooks
        from opacus.optimizers import DPOptimizer

        assert self.batches is not None  # the loader was made
        _refuse_batch_norm(pl_module)
        steps = pl_module.total_steps()
        if not math.isfinite(steps):
            rule = "the noise depends on the number of steps, and the run has no end"
            raise FederationError("trainer", rule, "Set trainer.max_steps or trainer.max_epochs")
        with _bound_of_domain():
            self.noise = get_noise_multiplier(
                target_epsilon=self.privacy.epsilon,
                target_delta=self.privacy.delta,
                sample_rate=self.batches.rate,
                steps=int(steps),
                accountant="prv",
            )
        self._say(pl_module, int(steps))
        self._hooks = GradSampleHooks(pl_module.backbone, strict=False)
        (optimizer,) = trainer.optimizers
        # Who knows the seed of the recipe could else subtract the noise.
        secret = torch.Generator(pl_module.device).manual_seed(secrets.randbits(63))
        private = DPOptimizer(
            optimizer,
            noise_multiplier=self.noise,
            max_grad_norm=self.privacy.clip,
            # The mean is over the expected size: the size that was drawn is itself private.
            expected_batch_size=self._size,
            generator=secret,
        )
        rate = self.batches.rate
        private.attach_step_hook(self.accountant.get_optimizer_hook_fn(rate))
        trainer.optimizers = [private]

    def _say(self, module: nn.Module, steps: int) -> None:
        """Print what the noise costs, before the first step."""
        assert self.batches is not None  # the loader was made
        count, delta = self.batches.count, self.privacy.delta
        if delta >= 1 / count:
            text = f"delta {delta:g} is not below 1 / {count}, one over the samples of this site: "
            text += f"the budget promises little. Give delta={0.1 / count:.0e}, or use more samples"
            warnings.warn(text, DeltaWarning, stacklevel=2)
        values = sum(p.numel() for p in module.parameters() if p.requires_grad)
        # The noise has noise * clip in each value, and the sum of a batch at most size * clip.
        ratio = self.noise * values**0.5 / self._size
        print(
            f"private training: epsilon {self.privacy.epsilon:g}, delta {delta:g}, {steps} steps "
            f"of {self._size} of {count} samples, noise {self.noise:.3g}. In each step the noise "
            f"on {values:,} values is {ratio:.3g} times as long as the longest gradient",
            file=sys.stderr,
        )

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget what other hooks have drawn; the batches of the epoch are drawn after this."""
        assert self.batches is not None  # the loader was made
        self.batches.drawn.clear()

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        """Check that each sample of the batch has its gradient."""
        assert self.batches is not None  # the loader was made
        size = self.batches.drawn.popleft()
        for name, parameter in pl_module.named_parameters():
            if not parameter.requires_grad:
                continue
            sample_grads = getattr(parameter, "grad_sample", None)
            if not isinstance(sample_grads, torch.Tensor) or len(sample_grads) != max(size, 1):
                rule = "it has no gradient for each sample, so nothing can be clipped"
                remedy = "Train plain LoRA on layers that see the batch, with fused kernels off"
                raise FederationError(f"parameter {name:.120}", rule, remedy)
            if size == 0:
                sample_grads.zero_()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Take the hooks off again."""
        if self._hooks is not None:
            self._hooks.cleanup()

    def record(self) -> Mapping[str, Any]:
        """Return what the training spent, for the record of the run."""
        history = [list(entry) for entry in self.accountant.history]
        delta = self.privacy.delta
        with _bound_of_domain():
            epsilon = float(self.accountant.get_epsilon(delta))
        return {
            "epsilon": epsilon,
            "delta": delta,
            "clip": self.privacy.clip,
            "noise": self.noise,
            "accountant": "prv",
            "history": history,
        }


@contextmanager
def _bound_of_domain() -> Iterator[None]:
    """Hide the advice of the Renyi bound by which the accountant chooses its grid."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is the")
        yield


def _refuse_batch_norm(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.training:
            rule = "its statistics mix the samples of a batch"
            raise FederationError(f"layer {name}", rule, "Use a network with another normalisation")
