"""The task of dynamics: predict the next state from the present one, or from several frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Unpack, cast, final

import lightning as L
import torch
from torch import Tensor, nn

from scionwood import Optimiser, RecipeError
from scionwood.authoring import Corruption, Deployed
from scionwood_pde.data.domain import CLOSE, Domain
from scionwood_pde.evaluation.horizons import calibrated
from scionwood_pde.model.forecast import Axis, Forecast
from scionwood_pde.tasks.baselines import Baselines, baselines
from scionwood_pde.tasks.deployed import deployed
from scionwood_pde.tasks.states import StatesTask, mean_over, mean_vrmse

CALIBRATING = 12
"""Most trajectories of each split whose rollouts are calibrated."""


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

    Raises:
        RecipeError: `unroll` is below 1, `ramp` is no share, or there is nothing to calibrate.

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
        unroll: steps of a training sample. With two or more, the model sees its own predictions,
            held below the cap of a rollout, and the loss is the mean over all of them. The data
            need as many frames before `next`: their `history` is that of the model plus `unroll`
            minus 1.
        ramp: share of the training in which these steps rise evenly from 1 to `unroll`; 0 means all
            from the beginning. First steps are cheaper, and learn from a single step.
        calibrate: after the training, fit how far each horizon, field and shell of a rollout can be
            trusted; `rollout` then shows less of what it cannot know. See `evaluation.horizons`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        noise: float = 0.0,
        shifts: Sequence[Axis] = (),
        measured: int = 64,
        unroll: int = 1,
        ramp: float = 0.0,
        calibrate: bool = False,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        if unroll < 1:
            raise RecipeError(f"unroll: {unroll}", "a training sample has 1 step or more", "Use 1")
        if not 0 <= ramp <= 1:
            raise RecipeError(f"ramp: {ramp}", "it is a share of the training", "Use 0.5")
        self.noise, self.shifts, self.measured = noise, tuple(shifts), measured
        self.unroll, self.history = unroll, int(getattr(backbone, "history", 1))
        self.ramp, self.steady, self.calibrate = ramp, not ramp, calibrate
        conditions: Sequence[str] = getattr(backbone, "conditions", ())
        if calibrate and (conditions or not hasattr(backbone, "limited")):
            rule = "rollouts are calibrated of models that have a cap and no conditions"
            raise RecipeError("calibrate: true", rule, "Leave it out, or take pde/spectral")
        self.baselines: Baselines | None = None

    @property
    def scaled(self) -> Forecast | None:
        """The backbone, if it has scales; a wrapper of peft passes its attributes on."""
        return cast(Forecast, self.backbone) if hasattr(self.backbone, "scales") else None

    def on_fit_start(self) -> None:
        """Check that a projection fits the grid, and write what the run keeps of the data.

        Raises:
            RecipeError: a vector is kept without divergence, and the cells are no cubes.
        """
        domain: Domain | None = getattr(self.trainer.datamodule, "domain", None)  # type: ignore[attr-defined]  # Lightning sets it
        if domain is not None and self.scaled is not None and len(self.scaled.scales.vector):
            check_cubes(domain)
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        runs = data.trajectories("val") if hasattr(data, "modes") else None
        if self.calibrate and runs is None:
            rule = "it needs whole trajectories of one time step"
            raise RecipeError("calibrate: true", rule, "Take pde/trajectories, or files uncropped")
        super().on_fit_start()

    @torch.no_grad()
    def before_export(self, trainer: L.Trainer) -> None:
        """Fit the calibration with the chosen weights, and write it into the run folder."""
        if not (self.calibrate and trainer.is_global_zero):
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        splits = (data.trajectories(split) for split in ("train", "val"))
        runs = chain.from_iterable(
            (run[i] for i in range(min(CALIBRATING, len(run)))) for run in splits
        )
        model, training = cast(Forecast, self.backbone), self.backbone.training
        states = (torch.nan_to_num(run).to(self.device) for run in runs)
        calibrated(model.eval(), states, data.modes).write(trainer.default_root_dir)
        model.train(training)

    def on_train_start(self) -> None:
        """Measure the scales; a resumed run has them from its checkpoint.

        Raises:
            RecipeError: the training has no end, and `ramp` is a share of it.
        """
        if self.ramp and not math.isfinite(self.total_steps()):
            rule = "a share of a training without an end has none either"
            raise RecipeError(f"ramp: {self.ramp}", rule, "Set trainer.max_steps")
        if self.scaled is None or self.trainer.global_step:
            return
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        normaliser = getattr(data, "normaliser", None)
        batches = islice(data.train_dataloader(), self.measured)
        units: list[Any] = [] if normaliser is None else [normaliser.std]
        if normaliser is not None and hasattr(self.backbone, "solver"):
            # A solver computes in the units of the equation and needs the mean back.
            units.append(normaliser.mean)
        self.scaled.measure(batches, *units)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean squared error of the predicted next states."""
        state, reference = batch["state"], batch["next"]
        if self.training:
            state, reference = self._moved(state, reference, "mask" in batch)
        inputs, targets = self._divided(state, reference)
        if self.training and self.noise:
            inputs = with_noise(inputs, self.noise)
        errors, width = [], reference.shape[1]
        for target in targets:
            predicted = self._predicted(inputs, batch)
            errors.append(predicted - target)
            if len(errors) < len(targets):
                # The oldest frame leaves, and the model's own prediction enters, as in a rollout;
                # gradients pass.
                inputs = torch.cat([inputs[:, width:], self._limited(predicted)], dim=1)
        error = torch.cat(errors, dim=1)
        if self.scaled is not None:
            # The error in units of the usual change: else fields that change fast would decide
            # alone.
            scale = self.scaled.scales.change.repeat(len(errors))
            error = error / scale.view(-1, *[1] * (error.ndim - 2))
        mask = batch.get("mask")
        full_mask = mask if mask is None else mask.repeat(1, len(errors), *[1] * (mask.ndim - 2))
        return {"loss": mean_over(error.square(), full_mask)}

    def counts(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """Return the points that count, over which the loss is a mean."""
        mask = batch.get("mask")
        return {} if mask is None else {"loss": float(mask.sum())}

    def corruption(self) -> Corruption | None:
        """Return the noise on the input; None without it."""
        if not self.noise:
            return None
        return Corruption(
            "noise on the input",
            (with_noise,),
            sample=lambda n: (torch.randn(n, 8), torch.randint(4, (n,))),
            apply=lambda clean, t, label: (with_noise(clean, self.noise), None),
            scale=lambda t: (1.0, self.noise),
        )

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return VRMSE, averaged over fields, and that of persistence, which predicts no change.

        A test also returns the errors of the linear filters that are fitted on the training split.
        """
        state, reference, mask = batch["state"], batch["next"], batch.get("mask")
        width = reference.shape[1]
        predicted = self._predicted(state[:, -width * self.history :], batch)
        last = state[:, -width:]
        error = mean_vrmse(predicted, reference, mask)
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

    def _limited(self, predicted: Tensor) -> Tensor:
        """Return a state as a rollout continues from it: models with a cap hold it there."""
        limited: Callable[[Tensor], Tensor] | None = getattr(self.backbone, "limited", None)
        return predicted if limited is None else limited(predicted)

    def _divided(self, state: Tensor, reference: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the frames that the model sees first, and the frames that it shall predict.

        Raises:
            RecipeError: the data have another number of frames than `unroll` needs.
        """
        width = reference.shape[1]
        frames, needed = state.shape[1] // width, self.history + self.unroll - 1
        if frames != needed:
            rule = f"the data have a history of {frames}; this needs {needed}"
            raise RecipeError(f"unroll: {self.unroll}", rule, f"Set data.history to {needed}")
        later = self._steps() - 1
        window = state[:, -width * (self.history + later) :]
        first, *others = torch.split(window, [width * self.history, *[width] * later], dim=1)
        return first, [*others, reference]

    def _steps(self) -> int:
        """Return the steps of a training sample now."""
        if not self.ramp or not self.training:
            return self.unroll
        # Steps rise from 1; at the end of the ramp the share is 1 and all of them are used.
        share = self.trainer.global_step / (self.ramp * self.total_steps())
        return min(self.unroll, 1 + int(share * self.unroll))

    def _moved(self, state: Tensor, reference: Tensor, solids: bool) -> tuple[Tensor, Tensor]:
        """Move both states along the axes of `shifts` by the same random numbers of voxels."""
        axes = [2 + "xyz".index(axis) for axis in self.shifts]
        if not axes:
            return state, reference
        if solids:
            rule = "solid points stay where they are"
            raise RecipeError(f"shifts: {', '.join(self.shifts)}", rule, "Leave shifts out")
        for axis in axes:  # places are made on the device, so that a graph can repeat them
            side = state.shape[axis]
            step = torch.randint(side, (), device=state.device)
            places = (torch.arange(side, device=state.device) - step) % side
            state, reference = (x.index_select(axis, places) for x in (state, reference))
        return state, reference


def check_cubes(domain: Domain) -> None:
    """Check that cells are cubes and all axes have one direction, as Leray's projection needs.

    Raises:
        RecipeError: they do not.
    """
    steps = list(domain.spacing.values())
    if max(steps) - min(steps) > CLOSE * min(map(abs, steps)):
        sides = " x ".join(f"{step:g}" for step in steps)
        rule = f"the cells of the data have the sides {sides}, and the projection needs cubes"
        remedy = "Resample to cubes, turn an axis that falls with sortby, or set it to []"
        raise RecipeError("backbone.solenoidal", rule, remedy)


def with_noise(state: Tensor, deviation: float) -> Tensor:
    """Return a state with normal noise of a standard deviation, of the same shape."""
    return state + deviation * torch.randn_like(state)
