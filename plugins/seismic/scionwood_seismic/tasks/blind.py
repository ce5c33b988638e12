"""The blind task: adapt a denoiser to a survey that has only noisy gathers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Unpack, final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from scionwood import Optimiser, RecipeError, Task
from scionwood.authoring import Corruption, Deployed
from scionwood_seismic.dino.rollback import keep_or_restore
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.tasks.deployed import deployed
from scionwood_seismic.tasks.start import head_modules, take_over

if TYPE_CHECKING:
    import lightning as L
    from matplotlib.figure import Figure

REACH = 2
"""The largest distance between a hidden trace and its replacement, traces."""

TESTED = 8
"""Patches of the validation to which events are added at the end of the training."""

QUIETEST = 1e-3
"""A clean patch with less than this share of the energy of the noisy one has no useful SNR."""


@final
class Blind(Task):
    """Adapt a trained run to noisy gathers, without clean gathers.

    `noisier`: the starting model denoises each gather, noise is added to the result, and the model
    learns to remove it. Noise from the signal-free windows of the survey teaches the new noise. If
    the windows show only a part of the noise, noise that the starting model removed from another
    gather preserves its abilities. The loss is the MSE over the variance of the target.

    `blind_trace`: random traces are replaced by neighbouring ones, and the model learns to predict
    the recorded traces. What neighbouring traces do not share is unpredictable. The loss is the
    mean absolute error on these traces, plus `anchor` times the mean absolute difference from the
    starting model on the other traces. Only noise that is independent between traces is suitable:
    the model learns noise that neighbours share as if it were signal.

    At the end, the harm gate adds known events to patches of the validation. If the trained weights
    return less of their amplitude than those of the starting run, the latter are kept. So they are
    if the share of energy removed moved away from the share of noise that the window shows.

    Shapes: `noisy` of a batch, and the output: (batch, 1, trace, time), float32. `noise_only`,
    which `noisier` needs, and `clean`, which only the metrics use, have the same shape.

    Units: amplitudes divided by `normalise.scale` of the noisy gather.

    Args:
        backbone: the network with its adapter attached.
        start: the run to start from, with the same backbone and adapter: a folder, or the name of
            a shipped run such as `seismic/denoise`. With `none`, `blind_trace` trains from the
            present weights of the backbone.
        method: how to learn without clean gathers.
        removed_share: the share of patches to which `noisier` adds removed noise instead of noise
            from the windows. If the windows show all of the noise, 0 adapts more.
        masked: the share of traces that `blind_trace` replaces.
        anchor: weight of the difference from the starting model in `blind_trace`; it has no effect
            without a starting model.
        train_head: whether the decoder also trains, or only the adapter.

    Raises:
        RecipeError: `noisier` has no run to start from, or a share is out of range.

    Source: blind traces, Liu et al., 2023, doi 10.1190/geo2022-0371.1; a loss on the other traces,
    Abedi et al., 2024, doi 10.1111/1365-2478.13448; noise added to estimates of the network, Cheng
    et al., 2023, arXiv 2311.02193. Each method is a variant by this project.
    """

    defaults: ClassVar[Optimiser] = {
        "lr": 1e-3,
        "weight_decay": 0.0,
        "warmup_steps": 10,
        "schedule": "cosine",
    }

    def __init__(
        self,
        backbone: nn.Module,
        *,
        start: str = "none",
        method: Literal["noisier", "blind_trace"] = "noisier",
        removed_share: float = 0.5,
        masked: float = 0.2,
        anchor: float = 5.0,
        train_head: bool = True,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        if method == "noisier" and start == "none":
            rule = "its targets are gathers that a trained run has denoised"
            raise RecipeError("task.method noisier", rule, "Give that run's folder as task.start")
        if not 0 < masked < 1:
            raise RecipeError(f"task.masked {masked}", "a share between 0 and 1", "Such as 0.2")
        if not 0 <= removed_share < 1:
            value = f"task.removed_share {removed_share}"
            raise RecipeError(value, "a share from 0 to less than 1", "Such as 0.5")
        self.start, self.method, self.masked, self.anchor = start, method, masked, anchor
        self.removed_share = removed_share
        self._start: dict[str, Tensor] = {}
        if not train_head:
            for module in head_modules(backbone):
                module.requires_grad_(False)

    def setup(self, stage: str) -> None:
        """Copy the weights of the starting run, before a checkpoint is loaded to resume.

        This does not happen when the task is built, because using the adapted run also builds it,
        and the starting run may no longer exist then.

        Raises:
            TrainingError: the run is not finished, or its model is different.
            AdapterFileError: its adapter is damaged.
        """
        if stage == "fit" and self.start != "none":
            take_over(self.backbone, self.start)
            trained = {n: p for n, p in self.backbone.named_parameters() if p.requires_grad}
            self._start = {name: value.detach().clone() for name, value in trained.items()}

    def before_export(self, trainer: L.Trainer) -> None:
        """Go back to the weights of the starting run if the training took amplitude from events.

        Args:
            trainer: the trainer, whose validation provides the gathers.
        """
        super().before_export(trainer)
        loaders = trainer.val_dataloaders
        if not self._start or not loaders:
            return
        batch = next(iter(loaders[0] if isinstance(loaders, list) else loaders))
        gathers = list(batch["noisy"][:TESTED, 0].numpy())
        noise = None
        if "noise_only" in batch:
            energy = batch["noisy"].square().mean()
            noise = min(1.0, float(batch["noise_only"].square().mean() / energy))
        training = self.training
        self.eval()
        verdict = keep_or_restore(self.backbone, self._start, gathers, noise)
        self.train(training)
        print(f"adaptation: {verdict}", file=sys.stderr)

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (batch, 1, trace, time) of about unit amplitude."""
        denoised: Tensor = self.backbone(noisy)
        return denoised

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss and its parts for a batch with `noisy` and, for `noisier`, `noise_only`.

        Raises:
            RecipeError: `noisier` is used with data that has no noise window.
        """
        return self._noisier(batch) if self.method == "noisier" else self._blind_trace(batch)

    def corruption(self) -> Corruption | None:
        """Return the mask of `blind_trace`; the noise of `noisier` comes from the survey."""
        if self.method == "noisier":
            return None
        masked, traces = self.masked, 16

        def apply(
            clean: Tensor, time: Tensor | None, label: Tensor
        ) -> tuple[Tensor, Tensor | None]:
            hidden, stand_in = hide(clean, masked)
            return torch.where(hidden, stand_in, clean), hidden

        return Corruption(
            "hidden traces",
            (hide,),
            sample=lambda n: (torch.randn(n, 1, traces, 1), torch.randint(4, (n,))),
            apply=apply,
            rate=lambda time: max(1, round(masked * traces)) / traces,
        )

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return means over the batch: leakage, and with `clean` also the fidelity.

        `snr_in` is the SNR of the input, `snr` of the output, `snr_start` of the starting model.
        """
        noisy = batch["noisy"]
        estimate = self(noisy).float()
        removed = noisy - estimate
        values = {
            "energy_removed": removed.square().sum((-2, -1)) / noisy.square().sum((-2, -1)),
            "ms_ssim_r": metrics.ms_ssim_residual(noisy, estimate),
            "local_similarity": metrics.local_similarity(estimate, removed),
            "kurtosis_removed": metrics.kurtosis(removed),
        }
        if "clean" in batch:
            estimates = {"snr_in": noisy, "snr": estimate}
            estimates |= {"snr_start": self.started(noisy)} if self._start else {}
            values |= _snr(batch["clean"], noisy, estimates)
        return {name: value.mean() for name, value in values.items()}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the denoiser for one gather."""
        return deployed(self.backbone)

    def draw(self, batch: dict[str, Tensor]) -> dict[str, Figure]:
        """Draw the first gather of a batch: input, denoised and removed."""
        from scionwood_seismic.evaluation.figures import draw_panels

        noisy = batch["noisy"][:1]
        with torch.no_grad():
            estimate = self(noisy).float()
        panels = {"input": noisy, "denoised": estimate, "removed": noisy - estimate}
        return {
            "denoised": draw_panels({name: x[0, 0].cpu().numpy() for name, x in panels.items()})
        }

    @torch.no_grad()
    def started(self, noisy: Tensor) -> Tensor:
        """Denoise a batch with the starting model; without one, with the present weights.

        Args:
            noisy: (batch, 1, trace, time).

        Returns:
            (batch, 1, trace, time) float32.
        """
        training = self.training
        self.eval()
        self._start = {name: value.to(noisy.device) for name, value in self._start.items()}
        estimate: Tensor = functional_call(self.backbone, self._start, (noisy,))
        self.train(training)
        return estimate.float()

    def _noisier(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        target = self.started(batch["noisy"])
        estimate = self(target + self._noise(batch, batch["noisy"] - target)).float()
        variance = target.var((-2, -1)).clamp_min(1e-8)
        return {"loss": ((estimate - target).square().mean((-2, -1)) / variance).mean()}

    def _noise(self, batch: dict[str, Tensor], removed: Tensor) -> Tensor:
        """Return noise for each patch: removed from the previous patch, or from the window."""
        if "noise_only" not in batch:
            rule = "it adds noise from the survey's signal-free windows, and the data has none"
            raise RecipeError("task.method noisier", rule, "Set data.noise_window")
        # The share is spread evenly over the batch: for 0.5 it is every second patch.
        count = (torch.arange(len(removed) + 1) * self.removed_share).floor()
        takes_removed = count.diff().bool()[:, None, None, None].to(removed.device)
        return torch.where(takes_removed, removed.roll(1, 0), batch["noise_only"])

    def _blind_trace(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        noisy = batch["noisy"]
        hidden, stand_in = self._hide(noisy)
        estimate = self(torch.where(hidden, stand_in, noisy)).float()
        blind = _mean_error(estimate, noisy, hidden)
        if not self._start or not self.anchor:
            return {"loss": blind}
        drift = _mean_error(estimate, self.started(noisy), ~hidden)
        return {"loss": blind + self.anchor * drift, "blind": blind, "drift": drift}

    def _hide(self, noisy: Tensor) -> tuple[Tensor, Tensor]:
        # Validation always hides the same traces, so that its losses are comparable.
        random = None if self.training else torch.Generator().manual_seed(0)
        return hide(noisy, self.masked, random)


def hide(
    noisy: Tensor, masked: float, random: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Return which traces are hidden, (batch, 1, trace, 1), and replacements of all traces.

    Args:
        noisy: (batch, 1, trace, time).
        masked: the share of traces to hide.
        random: the generator; None means torch's global one.
    """
    batch, _, traces, _ = noisy.shape
    count = max(1, round(masked * traces))
    rank = torch.rand(batch, traces, generator=random).argsort(1).argsort(1)
    distance = torch.randint(1, REACH + 1, (batch, traces), generator=random)
    step = distance * (2 * torch.randint(2, (batch, traces), generator=random) - 1)
    positions = torch.arange(traces)
    outside = (positions + step < 0) | (positions + step >= traces)
    other = (positions + torch.where(outside, -step, step)).clamp(0, traces - 1)
    hidden = (rank < count)[:, None, :, None].to(noisy.device)
    index = other[:, None, :, None].to(noisy.device).expand_as(noisy)
    return hidden, noisy.gather(2, index)


def _mean_error(estimate: Tensor, target: Tensor, where: Tensor) -> Tensor:
    """Return the mean absolute error over the traces in `where`."""
    return ((estimate - target).abs() * where).sum() / (where.sum() * target.shape[-1])


def _snr(clean: Tensor, noisy: Tensor, estimates: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the SNR of each estimate over the patches with signal; empty if there are none."""
    energy = clean.square().sum((-2, -1)) / noisy.square().sum((-2, -1))
    loud = energy > QUIETEST
    if not loud.any():
        return {}
    return {name: metrics.snr(clean, x)[loud] for name, x in estimates.items()}
