"""The task: learn to denoise from pairs of a noisy and a clean gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from scionwood import Task
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.inference.adaptation import Adaptation, Adapter

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FLOOR = 1e-4
"""Of the error's power over the signal's."""


@final
class Denoise(Task):
    """Denoise gathers; the loss is `(1 - w) d + w (1 - MS-SSIM)`, with w = 0.1 by default.

    The distance d is, for each gather, the error's RMS over the clean gather's (`rms`), or the
    square of that (`mse`), which is the reciprocal of the SNR. With the square, the noise that is
    hardest to remove decides; without it, easy noise and clean gathers count too.

    Shapes: `noisy` and `clean` of a batch, and the denoised: (batch, 1, trace, time), float32.

    Units: amplitudes divided by `normalise.scale` of the noisy gather.

    Source: a loss of MS-SSIM and a distance by samples is that of Zhao et al., 2017, doi
    10.1109/TCI.2016.2644865, with another distance than their L1.

    Args:
        backbone: the network, its adapter attached.
        distance: d, `rms` or `mse`.
        ssim_weight: w, between 0 and 1.
        tta: adapt to each gather at test time, and when the run denoises files; see
            `adapt.Adaptation`.
        tta_window: from and to which time gathers have no signal, s.
        tta_steps: steps of adaptation a gather.
        tta_lr: learning rate of the adaptation.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        distance: Literal["rms", "mse"] = "rms",
        ssim_weight: float = 0.1,
        tta: Literal["none", "matched", "kurtosis"] = "none",
        tta_window: tuple[float, float] | None = None,
        tta_steps: int = 30,
        tta_lr: float = 1e-2,
        lr: float = 4e-3,
        weight_decay: float = 1e-4,
        warmup_steps: int = 20,
        schedule: Literal["constant", "cosine"] = "cosine",
    ) -> None:
        super().__init__(
            backbone,
            lr=lr,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            schedule=schedule,
        )
        self.distance, self.ssim_weight = distance, ssim_weight
        self.adaptation = (
            None
            if tta == "none"
            else Adaptation(objective=tta, window=tta_window, steps=tta_steps, lr=tta_lr)
        )

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (batch, 1, trace, time) of about unit amplitude."""
        return self.backbone(noisy)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss and its two parts, for the keys `noisy` and `clean`."""
        clean, estimate = batch["clean"], self(batch["noisy"])
        variance = clean.var((-2, -1)).clamp_min(1e-8)
        mse = (estimate - clean).square().mean((-2, -1)) / variance
        # The root has no gradient at 0; an error of 1 % is taken as the floor.
        distance = mse.mean() if self.distance == "mse" else (mse + FLOOR).sqrt().mean()
        dissimilarity = 1 - metrics.ms_ssim(clean, estimate.float()).mean()
        loss = (1 - self.ssim_weight) * distance + self.ssim_weight * dissimilarity
        return {"loss": loss, "mse": mse.mean(), "one_minus_ms_ssim": dissimilarity}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Means over the batch: fidelity to the clean gathers, and leakage into the removed."""
        noisy, clean = batch["noisy"], batch["clean"]
        estimate = self(noisy).float()
        similarity = metrics.local_similarity(estimate, noisy - estimate)
        values = {
            "snr_in": metrics.snr(clean, noisy),
            "snr": metrics.snr(clean, estimate),
            "psnr": metrics.psnr(clean, estimate),
            "ms_ssim": metrics.ms_ssim(clean, estimate),
            "ms_ssim_r": metrics.ms_ssim_residual(noisy, estimate),
            "amplitude_ratio": metrics.amplitude_ratio(clean, estimate),
            "local_similarity": similarity,
            "kurtosis_removed": metrics.kurtosis(noisy - estimate),
        }
        if self.adaptation is not None and self.trainer.testing:
            values |= self._adapted(noisy, clean, batch["dt"])
        return {name: value.mean() for name, value in values.items()}

    def _adapted(self, noisy: Tensor, clean: Tensor, dt: Tensor) -> dict[str, Tensor]:
        """SNR after adapting to each gather, and the share that was adapted to, (batch,)."""
        assert self.adaptation is not None
        adapter = Adapter(self.backbone, self.adaptation)
        scores, adapted = [], []
        for x, s, step in zip(noisy[:, 0].cpu().numpy(), clean[:, 0].cpu(), dt, strict=True):
            estimate, outcome = adapter.denoise(x, np.arange(x.shape[1]) * float(step), unit=1.0)
            scores.append(metrics.snr(s, torch.from_numpy(estimate)))
            adapted.append(float(outcome.steps > 0))
        return {"snr_tta": torch.stack(scores), "adapted": torch.tensor(adapted)}

    def draw(self, batch: dict[str, Tensor]) -> dict[str, Figure]:
        """The batch's first gather: input, denoised, removed, and the noise that was added."""
        from scionwood_seismic.evaluation.figures import draw_panels

        noisy, clean = batch["noisy"][:1], batch["clean"][:1]
        with torch.no_grad():
            estimate = self(noisy).float()
        shown = {
            "input": noisy,
            "denoised": estimate,
            "removed": noisy - estimate,
            "true noise": noisy - clean,
        }
        return {"denoised": draw_panels({name: x[0, 0].cpu().numpy() for name, x in shown.items()})}
