"""The task: adapt a denoiser to a survey of which only noisy gathers exist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from scionwood import RecipeError, Task
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.tasks.start import head_modules, take_over

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REACH = 2
"""How far the trace that stands in for a hidden one may be from it, traces."""

QUIETEST = 1e-3
"""Clean patches below this share of the noisy one's energy have no meaningful SNR."""


@final
class Blind(Task):
    """Adapt to noisy gathers without clean ones, starting from a trained run.

    `noisier`: noise is added to gathers as the starting model denoises them, and the model learns
    to remove it. Noise from the signal-free windows of the survey teaches what is new in them;
    noise that the starting model removed from another gather keeps what that model knows, where
    the windows show only a part of the noise. The loss is the MSE in units of the target's
    variance.

    `blind_trace`: random traces are replaced by neighbours, and the model learns to predict what
    was recorded there; what neighbouring traces do not share cannot be predicted. The loss is the
    mean absolute error on these traces, plus `anchor` times that between the model and the
    starting model on the others. It suits noise that differs from trace to trace, and no other:
    noise that neighbours share is learned as if it were signal.

    Shapes: `noisy` of a batch, and the denoised: (batch, 1, trace, time), float32; so are
    `noise_only`, which `noisier` needs, and `clean`, which only the metrics use.

    Units: amplitudes divided by `normalise.scale` of the noisy gather.

    Args:
        backbone: the network, its adapter attached.
        start: the folder of the run to start from, of the same backbone and adapter; `none` to
            train `blind_trace` from the weights that the backbone has.
        method: how to learn without clean gathers.
        removed_share: the share of patches to which `noisier` adds removed noise rather than that
            of the windows; 0 adapts further, where the windows show all of the noise.
        masked: the share of traces that `blind_trace` replaces.
        anchor: how strongly `blind_trace` holds to the starting model; without one it does not.
        train_head: whether the decoder adapts too, or the adapter alone.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.

    Raises:
        RecipeError: `noisier` without a run to start from, or a share out of range.

    Source: blind traces, Liu et al., 2023, doi 10.1190/geo2022-0371.1; a loss on the other traces
    too, Abedi et al., 2024, doi 10.1111/1365-2478.13448; noise added to the network's own
    estimates, Cheng et al., 2023, arXiv 2311.02193. Each in a form of our own.
    """

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
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        warmup_steps: int = 10,
        schedule: Literal["constant", "cosine"] = "cosine",
    ) -> None:
        super().__init__(
            backbone,
            lr=lr,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            schedule=schedule,
        )
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
        """Take over the starting run's weights, before those of a checkpoint to resume from.

        Here and not when the task is built, which also happens to use the adapted run, when the
        starting run may no longer exist.

        Raises:
            TrainingError: the run is not finished, or its model is another one.
            AdapterFileError: its adapter is damaged.
        """
        if stage == "fit" and self.start != "none":
            take_over(self.backbone, Path(self.start))
            trained = {n: p for n, p in self.backbone.named_parameters() if p.requires_grad}
            self._start = {name: value.detach().clone() for name, value in trained.items()}

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (batch, 1, trace, time) of about unit amplitude."""
        return self.backbone(noisy)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss and its parts, for the keys `noisy` and, with `noisier`, `noise_only`.

        Raises:
            RecipeError: `noisier` on data without a noise window.
        """
        return self._noisier(batch) if self.method == "noisier" else self._blind_trace(batch)

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Means over the batch: leakage into the removed, and with `clean` the fidelity.

        `snr_in` is the SNR before, `snr` after, and `snr_start` that of the starting model.
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
            named = {"snr_in": noisy, "snr": estimate}
            named |= {"snr_start": self.started(noisy)} if self._start else {}
            values |= _snr(batch["clean"], noisy, named)
        return {name: value.mean() for name, value in values.items()}

    def draw(self, batch: dict[str, Tensor]) -> dict[str, Figure]:
        """The batch's first gather: input, denoised and removed."""
        from scionwood_seismic.evaluation.figures import draw_panels

        noisy = batch["noisy"][:1]
        with torch.no_grad():
            estimate = self(noisy).float()
        shown = {"input": noisy, "denoised": estimate, "removed": noisy - estimate}
        return {"denoised": draw_panels({name: x[0, 0].cpu().numpy() for name, x in shown.items()})}

    @torch.no_grad()
    def started(self, noisy: Tensor) -> Tensor:
        """What the starting model makes of a batch; outside training, what the model itself does.

        Args:
            noisy: (batch, 1, trace, time).

        Returns:
            The same shape, float32.
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
        """What the starting model removed from the patch before, or the window's noise."""
        if "noise_only" not in batch:
            rule = "it adds noise from the survey's signal-free windows, and the data has none"
            raise RecipeError("task.method noisier", rule, "Set data.noise_window")
        # Evenly over the batch: of shares of 0.5, every second patch.
        count = (torch.arange(len(removed) + 1) * self.removed_share).floor()
        own = count.diff().bool()[:, None, None, None].to(removed.device)
        return torch.where(own, removed.roll(1, 0), batch["noise_only"])

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
        """Which traces are hidden, (batch, 1, trace, 1), and what stands in for each trace."""
        # Validation hides the same traces each time, so that its losses can be compared.
        random = None if self.training else torch.Generator().manual_seed(0)
        batch, _, traces, _ = noisy.shape
        count = max(1, round(self.masked * traces))
        rank = torch.rand(batch, traces, generator=random).argsort(1).argsort(1)
        distance = torch.randint(1, REACH + 1, (batch, traces), generator=random)
        step = distance * (2 * torch.randint(2, (batch, traces), generator=random) - 1)
        here = torch.arange(traces)
        outside = (here + step < 0) | (here + step >= traces)
        other = (here + torch.where(outside, -step, step)).clamp(0, traces - 1)
        hidden = (rank < count)[:, None, :, None].to(noisy.device)
        index = other[:, None, :, None].to(noisy.device).expand_as(noisy)
        return hidden, noisy.gather(2, index)


def _mean_error(estimate: Tensor, target: Tensor, where: Tensor) -> Tensor:
    """The mean absolute error over the traces in `where`."""
    return ((estimate - target).abs() * where).sum() / (where.sum() * target.shape[-1])


def _snr(clean: Tensor, noisy: Tensor, estimates: dict[str, Tensor]) -> dict[str, Tensor]:
    """The SNR of each estimate over the patches that hold signal; nothing where none does."""
    energy = clean.square().sum((-2, -1)) / noisy.square().sum((-2, -1))
    loud = energy > QUIETEST
    if not loud.any():
        return {}
    return {name: metrics.snr(clean, x)[loud] for name, x in estimates.items()}
