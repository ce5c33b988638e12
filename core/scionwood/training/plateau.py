"""The schedule `plateau`: a lower learning rate when validation no longer improves."""

from __future__ import annotations

from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch.optim.lr_scheduler import ReduceLROnPlateau


@final
class Plateau(Callback):
    """Lower the learning rate when the task's monitor has not improved for some validations.

    It is a callback and not a scheduler of Lightning, which acts after the checkpoint of an epoch
    is written, so that a resumed run would miss one decision.

    Args:
        factor: what a cut leaves of the rate.
        patience: validations without an improvement that are allowed.
        threshold: the smallest relative change that counts as an improvement.
        cooldown: validations after a cut in which nothing is counted.
        min_lr: the lowest rate.

    Raises:
        ValueError: the factor is not between 0 and 1.
    """

    def __init__(
        self,
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"factor {factor} must be between 0 and 1")
        self._options: dict[str, Any] = {
            **{"factor": factor, "patience": patience, "threshold": threshold},
            **{"cooldown": cooldown, "min_lr": min_lr, "eps": 0.0},
        }
        self._scheduler: ReduceLROnPlateau | None = None
        self._restored: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the counts."""
        return self._scheduler.state_dict() if self._scheduler else self._restored

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state until the optimiser exists."""
        self._restored = state_dict

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Follow the optimiser of the task."""
        (optimizer,) = trainer.optimizers
        self._scheduler = ReduceLROnPlateau(optimizer, mode=pl_module.mode, **self._options)
        if self._restored:
            self._scheduler.load_state_dict(self._restored)

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Count a validation, and lower the rate if it is due."""
        score = trainer.callback_metrics.get(pl_module.monitor)
        if self._scheduler and score is not None and not trainer.sanity_checking:
            self._scheduler.step(float(score))
