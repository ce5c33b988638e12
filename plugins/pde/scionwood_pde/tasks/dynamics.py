"""The task of dynamics: predict the next state from the present one, or from several frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Unpack, cast, final

import torch
from torch import Tensor, nn

from scionwood import Deployed, Optimiser, RecipeError
from scionwood_pde.model.forecast import Axis, Forecast
from scionwood_pde.tasks.baselines import Baselines, baselines
from scionwood_pde.tasks.deployed import deployed
from scionwood_pde.tasks.states import StatesTask, mean_over, mean_vrmse


@final
class Dynamics(StatesTask):
    """Predict the next state from a state in one pass; the loss is the mean squared error.

    Models that predict a scaled change, such as `pde/bilinear`, divide the error of each field by
    the root mean square change. Their scales are measured on the training split before the first
    step, and saved with the head.

    Shapes: `state` of a batch is (batch, frame * field, x, y, z), oldest frame first, and `next` is
        (batch, field, x, y, z), float32. Models with conditions also need `conditions`,
        (batch, condition).

    Units: each field has about zero mean and unit variance, the same for both.

    Source: Tadpole, arXiv:2605.15284; VRMSE is that of The Well, arXiv:2412.00568; noise on the
        inputs is that of Sanchez-Gonzalez et al. 2020, arXiv:2002.09405.

    Args:
        backbone: a model of dynamics, such as `pde/bilinear` or `pde/tadpole_dynamics`, with its
            adapter attached.
        noise: standard deviation of normal noise that is added to the input of a training step. It
            makes rollouts more stable.
        shifts: axes along which the equation is the same everywhere. Training states of a periodic
            box are moved along them by random numbers of voxels.
        measured: training batches on which the scales are measured.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        noise: float = 0.0,
        shifts: Sequence[Axis] = (),
        measured: int = 64,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.noise, self.shifts, self.measured = noise, tuple(shifts), measured
        self.baselines: Baselines | None = None

    @property
    def scaled(self) -> Forecast | None:
        """The backbone, if it has scales; a wrapper of peft passes its attributes on."""
        return cast(Forecast, self.backbone) if hasattr(self.backbone, "scales") else None

    def on_train_start(self) -> None:
        """Measure the scales; a resumed run has them from its checkpoint."""
        if self.scaled is None or self.trainer.global_step:
            return
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        kept = getattr(data, "normaliser", None)
        batches = islice(data.train_dataloader(), self.measured)
        self.scaled.measure(batches, None if kept is None else kept.std)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean squared error of the predicted next state."""
        state, reference = batch["state"], batch["next"]
        if self.training:
            state, reference = self._moved(state, reference, "mask" in batch)
            state = state + self.noise * torch.randn_like(state) if self.noise else state
        error = self._predicted(state, batch) - reference
        if self.scaled is not None:
            error = error / self.scaled.scales.change.view(-1, *[1] * (error.ndim - 2))
        return {"loss": mean_over(error.square(), batch.get("mask"))}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return VRMSE, averaged over fields, and that of persistence, which predicts no change.

        A test also returns the errors of the linear filters that are fitted on the training split.
        """
        state, reference, mask = batch["state"], batch["next"], batch.get("mask")
        own, last = self._predicted(state, batch), state[:, -reference.shape[1] :]
        error = mean_vrmse(own, reference, mask)
        values = {
            "vrmse": error,
            "vrmse_persistence": mean_vrmse(last, reference, mask),
        }
        if self.baselines is not None:
            values |= self.baselines.add(error, last, reference, mask)
        return values

    def on_test_start(self) -> None:
        """Fit the linear filters on the training split."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        self.baselines = baselines(data, mean_vrmse)

    def on_test_epoch_end(self) -> None:
        """Log the skill: one minus the error over that of the best filter."""
        if self.baselines is not None:
            self.log("test_skill", self.baselines.skill(), sync_dist=self.trainer.world_size > 1)
        self.baselines = None

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the model from a state to the next one."""
        return deployed(self.backbone, folder, given="state", made="next_state")

    def _predicted(self, state: Tensor, batch: dict[str, Tensor]) -> Tensor:
        conditions = batch.get("conditions")
        extra = () if conditions is None else (conditions,)
        predicted: Tensor = self.backbone(state, *extra)
        return predicted

    def _moved(self, state: Tensor, reference: Tensor, solids: bool) -> tuple[Tensor, Tensor]:
        """Move both states along the axes of `shifts` by the same random numbers of voxels."""
        axes = [2 + "xyz".index(axis) for axis in self.shifts]
        if not axes:
            return state, reference
        if solids:
            rule = "solid points stay where they are"
            raise RecipeError(f"shifts: {', '.join(self.shifts)}", rule, "Leave shifts out")
        steps = [int(torch.randint(state.shape[axis], ())) for axis in axes]
        return state.roll(steps, axes), reference.roll(steps, axes)
