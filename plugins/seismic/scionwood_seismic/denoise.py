"""The task: learn to denoise from pairs of a noisy and a clean gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

import torch
from torch import Tensor, nn

from scionwood import Task
from scionwood_seismic import metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
class Denoise(Task):
    """Denoise gathers; the loss is `(1 - w) MSE + w (1 - MS-SSIM)`, with w = 0.5 by default.

    The MSE is in units of the clean gather's variance, so that it is the reciprocal of the SNR and
    weak gathers count as strong ones do.

    Shapes: `noisy` and `clean` of a batch, and the denoised: (batch, 1, trace, time), float32.

    Units: amplitudes divided by `normalise.scale` of the noisy gather.

    Source: a loss of MS-SSIM and a distance by samples is that of Zhao et al., 2017, doi
    10.1109/TCI.2016.2644865, with MSE in place of their L1.

    Args:
        backbone: the network, its adapter attached.
        ssim_weight: w, between 0 and 1.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        ssim_weight: float = 0.5,
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
        self.ssim_weight = ssim_weight

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (batch, 1, trace, time) of about unit amplitude."""
        return self.backbone(noisy)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss and its two parts, for the keys `noisy` and `clean`."""
        clean, estimate = batch["clean"], self(batch["noisy"])
        variance = clean.var((-2, -1)).clamp_min(1e-8)
        mse = ((estimate - clean).square().mean((-2, -1)) / variance).mean()
        dissimilarity = 1 - metrics.ms_ssim(clean, estimate.float()).mean()
        loss = (1 - self.ssim_weight) * mse + self.ssim_weight * dissimilarity
        return {"loss": loss, "mse": mse, "one_minus_ms_ssim": dissimilarity}

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
        return {name: value.mean() for name, value in values.items()}

    def draw(self, batch: dict[str, Tensor]) -> dict[str, Figure]:
        """The batch's first gather: input, denoised, removed, and the noise that was added."""
        from scionwood_seismic.figures import panels

        noisy, clean = batch["noisy"][:1], batch["clean"][:1]
        with torch.no_grad():
            estimate = self(noisy).float()
        shown = {
            "input": noisy,
            "denoised": estimate,
            "removed": noisy - estimate,
            "true noise": noisy - clean,
        }
        return {"denoised": panels({name: x[0, 0].cpu().numpy() for name, x in shown.items()})}
