"""The base class of what a field trains: losses over a backbone and one optimiser for all."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypedDict, Unpack, get_type_hints

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from scionwood.adapters import BaseIdentity, allocate, eval_frozen_norms, parameter_groups
from scionwood.training.checkpoint import check_state, trained_keys
from scionwood.training.corruption import Corruption
from scionwood.training.guard import clip_by_known_norm
from scionwood.training.named_components import Choice
from scionwood.training.optimizers import make_optimizer, make_scheduler

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scionwood.training.deployed import Deployed


class Optimiser(TypedDict, total=False):
    """The options that every task has; `Task` documents them.

    Example:
        >>> options: scionwood.Optimiser = {"lr": 3e-4, "warmup_steps": 100, "schedule": "cosine"}
        >>> options["schedule"]
        'cosine'
    """

    lr: float
    weight_decay: float
    warmup_steps: int
    schedule: Choice
    optimizer: Choice


_OPTIMISER = get_type_hints(Optimiser)


class Task(L.LightningModule, ABC):
    """A backbone with an adapter, and the losses that train it.

    The optimiser works on `parameter_groups`; by default it is AdamW (Loshchilov and Hutter 2019).
    Everything that trains should lie in the backbone: only that is written to `adapter/` and the
    head's file.

    A subclass passes the options of the optimiser on, and states its own defaults::

        class Denoise(Task):
            defaults: ClassVar[Optimiser] = {"lr": 4e-3, "schedule": "cosine"}

            def __init__(
                self, backbone: nn.Module, *, p: int = 1, **optimiser: Unpack[Optimiser]
            ) -> None:
                super().__init__(backbone, **optimiser)

    A recipe then takes `lr`, `weight_decay`, `warmup_steps`, `schedule` and `optimizer` beside `p`.

    Args:
        backbone: the network with its adapter attached.
        lr: learning rate of the adapter and the head.
        weight_decay: the weight decay, which AdamW decouples from the gradient.
        warmup_steps: optimiser steps over which the rate rises linearly from zero.
        schedule: what follows, by name: `constant`, `cosine`, `wsd` and others, or a plugin's. With
            options it is a mapping, `{name: cosine, floor: 0.1}`; see `docs/trainer.md`.
        optimizer: the optimiser by name: `adamw`, `sgd`, `muon` and others, or a plugin's. With
            options it is a mapping, `{name: sgd, momentum: 0.9}`.

    Attributes:
        defaults: the options that differ from those of the base class; complete in a class.
        monitor: the logged value by which the best checkpoint is chosen.
        mode: whether that value should be small or large.
        needs_gradient: whether predictions are gradients, such as forces, in evaluation as well.
        max_steps: the most optimiser steps of the run; -1 means no limit.
        sharded: whether the backbone's weights are spread over processes.
        steady: whether all training steps do the same operations, as a CUDA graph needs.
        replay: takes the place of `losses` in training while steps run as a CUDA graph, or `None`.

    Example:
        >>> class Regression(scionwood.Task):
        ...     defaults = {"lr": 4e-3, "schedule": "cosine"}
        ...     def losses(self, batch):
        ...         x, y = batch
        ...         return {"loss": (self.backbone(x) - y).square().mean()}
        >>> task = Regression(torch.nn.Linear(8, 1), warmup_steps=10)
        >>> task.lr, task.warmup_steps
        (0.004, 10)
    """

    defaults: ClassVar[Optimiser] = {
        "lr": 1e-3,
        "weight_decay": 0.0,
        "warmup_steps": 0,
        "schedule": "constant",
        "optimizer": "adamw",
    }
    __signature__: ClassVar[Signature]
    monitor: ClassVar[str] = "val_loss"
    mode: ClassVar[Literal["min", "max"]] = "min"
    needs_gradient: ClassVar[bool] = False

    def __init__(self, backbone: nn.Module, **optimiser: Unpack[Optimiser]) -> None:
        super().__init__()
        if unknown := optimiser.keys() - _OPTIMISER.keys():
            name = type(self).__name__
            raise TypeError(f"{name} got an unexpected keyword argument {min(unknown)!r}")
        options: Optimiser = {**self.defaults, **optimiser}
        self.backbone = backbone
        self.lr, self.weight_decay = options["lr"], options["weight_decay"]
        self.warmup_steps = options["warmup_steps"]
        self.schedule, self.optimizer = options["schedule"], options["optimizer"]
        self.strict_loading = False  # checkpoints hold no frozen weights; loading checks the keys
        self.max_steps, self.base = -1, BaseIdentity("")
        self.sharded, self.steady = False, True
        self.replay: Callable[[Any], dict[str, Tensor]] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Complete `defaults`, and name the optimiser's options in the signature of the class."""
        super().__init_subclass__(**options)
        inherited = next(base for base in cls.__mro__[1:] if issubclass(base, Task)).defaults
        defaults: Optimiser = vars(cls).get("defaults", {})
        cls.defaults = {**inherited, **defaults}
        cls.__signature__ = _expanded(cls)

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the scalar `loss` of a batch, and any other scalars to log with it."""

    def metrics(self, batch: Any) -> dict[str, Tensor]:
        """Return scalars that only validation and test log."""
        return {}

    def draw(self, batch: Any) -> dict[str, Figure]:
        """Return figures of a batch by name, for `figures/` and the report."""
        return {}

    def pairs(self, batch: Any) -> tuple[Tensor, Tensor] | None:
        """Return features of n samples in two modalities, both (n, d); None if there are no pairs.

        Continual learning can keep their similarities. In evaluation mode nothing is random.
        """
        return None

    def before_export(self, trainer: L.Trainer) -> None:
        """Act at the end of a run, after its chosen weights are loaded and before they are written.

        An adapter that stores statistics of the training data computes them here. Every process
        calls it.
        """

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the model as `scionwood export` writes it: tensors in, tensors out.

        By default that is the backbone on its `example_input()`, without names and units. A task
        overrides it to name inputs and outputs with their units, to free axes, to wrap a backbone
        that returns more than tensors, and to state what the caller does before and after. The
        exporter merges the adapter, so an override returns a module with the adapter in it.

        Args:
            folder: the run folder, which may hold more that the caller needs; None without a run.
        """
        from scionwood.training.deployed import Deployed

        backbone: Any = self.backbone
        return Deployed(backbone, tuple(backbone.example_input()))

    def corruption(self) -> Corruption | None:
        """Return how the task corrupts its samples while it trains; None if it does not.

        `scionwood audit training` tests the properties that it states, and the run states the hash
        of its source.
        """
        return None

    def batch_size(self, batch: Any) -> int:
        """Return the samples in a batch; by default the first length of its first tensor."""
        tensors = [t for t in tree_leaves(batch) if isinstance(t, Tensor) and t.ndim]
        return len(tensors[0]) if tensors else 1

    def counts(self, batch: Any) -> Mapping[str, float]:
        """Return what some values of a batch are means over, where that is not samples, by name.

        Validation and test weight these values by it, such as a loss by tokens, so that the mean
        over batches is the mean over all tokens. A value of weight 0 has no part in the mean.
        """
        return {}

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch; log it with the other scalars and the learning rate."""
        losses = (self.replay or self.losses)(batch)
        size = self.batch_size(batch)
        parts = {f"train_{k}": v for k, v in losses.items() if k != "loss"}
        self.log_dict(parts, batch_size=size)
        self.log("train_loss", losses["loss"], batch_size=size)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], batch_size=size)
        return losses["loss"]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log losses and metrics as `val_...`, averaged over samples or `counts`."""
        self._evaluate("val_", batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Log losses and metrics as `test_...`, averaged over samples or `counts`."""
        self._evaluate("test_", batch)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser over the groups of adapter and head, with warm-up and schedule.

        Raises:
            RecipeError: no optimiser or schedule has that name, or one refuses its options.
        """
        groups = parameter_groups(self.backbone, self.lr, self.weight_decay)
        inside = {id(parameter) for parameter in self.backbone.parameters()}
        if parameters := [p for p in self.parameters() if p.requires_grad and id(p) not in inside]:
            rates = {"lr": self.lr, "weight_decay": self.weight_decay}
            groups.append({"params": parameters, **rates, "name": "task"})
        optimizer = make_optimizer(self.optimizer, groups, self.backbone)
        scheduler = make_scheduler(self.schedule, optimizer, self.warmup_steps, self.total_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def optimizer_step(self, *args: Any, **options: Any) -> None:
        """Take a step; then let an adapter that distributes its rank during training do so."""
        super().optimizer_step(*args, **options)
        allocate(self.backbone, self.trainer.global_step)

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients, by the norm that the NaN guard has computed if it has."""
        if not clip_by_known_norm(self.trainer, optimizer, gradient_clip_val):
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_model(self) -> None:
        """Let a strategy that has a device mesh (FSDP2) spread the backbone over processes."""
        strategy: Any = self.trainer.strategy
        if self.device_mesh is not None and not self.sharded:
            strategy.shard(self)
            self.sharded = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the trained entries with their buffers, and the hash of the frozen weights."""
        checkpoint["base_sha256"] = self.base.sha256
        checkpoint["base_sketch"] = self.base.record()
        checkpoint["threads"] = torch.get_num_threads()
        state, keys = checkpoint["state_dict"], trained_keys(self)
        checkpoint["state_dict"] = {key: state[key] for key in sorted(keys & state.keys())}

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Check that exactly the frozen weights are missing.

        Raises:
            TrainingError: naming the keys that differ.
        """
        if "state_dict" in checkpoint:  # a sharded strategy has loaded and removed it
            check_state(self, checkpoint["state_dict"])

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, except for the running statistics of frozen layers."""
        super().train(mode)
        if mode:
            eval_frozen_norms(self.backbone)
        return self

    def total_steps(self) -> float:
        """Return the optimiser steps of the run, limited by steps or epochs; may be infinite."""
        estimate = self.trainer.estimated_stepping_batches
        by_epochs = math.inf if estimate < 0 else estimate  # negative for an endless stream
        return min(self.max_steps, by_epochs) if self.max_steps >= 0 else by_epochs

    def _evaluate(self, prefix: str, batch: Any) -> None:
        with torch.set_grad_enabled(self.needs_gradient):
            values = {**self.losses(batch), **self.metrics(batch)}
        size, counts = self.batch_size(batch), self.counts(batch)
        several = self.trainer.world_size > 1
        for name, value in values.items():
            # Lightning weights a mean by the batch size, which may be any number.
            weight: Any = counts.get(name, size)
            self.log(prefix + name, value, batch_size=weight, sync_dist=several)


def _expanded(task: type[Task]) -> Signature:
    """Return the signature of a task; `**optimiser` becomes one parameter for each option."""
    _, *parameters = signature(task.__init__).parameters.values()
    names = {parameter.name for parameter in parameters}
    if not any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters):
        return Signature(parameters)
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=task.defaults[name], annotation=kind)  # type: ignore[literal-required]
        for name, kind in _OPTIMISER.items()
        if name not in names
    ]
    return Signature([p for p in parameters if p.kind is not Parameter.VAR_KEYWORD] + more)
