"""The denoising task: learn from pairs of a noisy and a clean gather."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Unpack, final

import numpy as np
import torch
from torch import Tensor, nn

from scionwood import Optimiser, Task
from scionwood.authoring import Deployed
from scionwood_seismic.dino.adaptation import Adaptation, Adapter
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.tasks.deployed import deployed
from scionwood_seismic.tasks.start import take_over

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FLOOR = 1e-4
"""Added to the ratio of error power to signal power, so that its root has a finite gradient."""

LOG_FLOOR = 10**-3.2
"""Added to that ratio before its logarithm: below -32 dB an error counts no more."""


@final
class Denoise(Task):
    """Denoise gathers with the loss `(1 - w) d + w (1 - MS-SSIM)`.

    For each gather, the distance d is the RMS of the error over the RMS of the clean gather
    (`rms`), or its square (`mse`), which is the reciprocal of the SNR. The square gives most weight
    to the noise that is hardest to remove; without it, easy noise and clean gathers count as well.
    The logarithm of the square (`log`) is the SNR itself, in negative tenths of a dB: a dB counts
    the same in clean and in noisy gathers.

    Shapes: `noisy` and `clean` of a batch, and the output: (batch, 1, trace, time), float32. A
    batch may have a `mask` of that shape, `level`, (batch,), the RMS of the noise if it is told,
    and 0 otherwise, and `beside`, (batch, slice, trace, time), the neighbouring slices of a volume;
    the backbone gets them.

    Units: amplitudes divided by `normalise.scale` of the noisy gather, or by the RMS of the clean
    one.

    Source: Zhao et al., 2017, doi 10.1109/TCI.2016.2644865, combine MS-SSIM with a distance per
    sample; this task replaces their L1 distance.

    Args:
        backbone: the network with its adapter attached.
        distance: d, `rms`, `mse` or `log`.
        ssim_weight: w, between 0 and 1.
        start: the run whose weights the training starts from, with the same backbone and adapter: a
            folder, or the name of a shipped run such as `seismic/shot`; `none`: the weights of the
            backbone.
        tta: adapt to each gather at test time, and when the run denoises files; see
            `dino.adaptation.Adaptation`.
        tta_window: start and end of the window without signal in the gathers of the test split, s.
            In files the window is found in each gather, unless `denoise` is given one.
        tta_steps: adaptation steps per gather.
        tta_lr: learning rate of the adaptation.
    """

    defaults: ClassVar[Optimiser] = {
        "lr": 4e-3,
        "weight_decay": 1e-4,
        "warmup_steps": 20,
        "schedule": "cosine",
    }

    def __init__(
        self,
        backbone: nn.Module,
        *,
        distance: Literal["rms", "mse", "log"] = "rms",
        ssim_weight: float = 0.1,
        start: str = "none",
        tta: Literal["none", "matched", "kurtosis"] = "none",
        tta_window: tuple[float, float] | None = None,
        tta_steps: int = 30,
        tta_lr: float = 1e-2,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.distance, self.ssim_weight, self.start = distance, ssim_weight, start
        self.adaptation = (
            None if tta == "none" else Adaptation(objective=tta, steps=tta_steps, lr=tta_lr)
        )
        self.tta_window = tta_window

    def setup(self, stage: str) -> None:
        """Copy the weights of the starting run, before a checkpoint is loaded to resume.

        This does not happen when the task is built, because using the run also builds it, and the
        starting run may no longer exist then.

        Raises:
            TrainingError: the run is not finished, or its model is different.
            AdapterFileError: a file of the run is damaged.
        """
        if stage == "fit" and self.start != "none":
            take_over(self.backbone, self.start)

    def forward(
        self,
        noisy: Tensor,
        mask: Tensor | None = None,
        level: Tensor | None = None,
        beside: Tensor | None = None,
    ) -> Tensor:
        """Denoise gathers.

        Args:
            noisy: (batch, 1, trace, time) of about unit amplitude.
            mask: the same shape, 1 where there is data; None: everywhere.
            level: (batch,), the RMS of the noise; 0 or None: unknown.
            beside: (batch, slice, trace, time), the slices on both sides; None: unknown. Only a
                backbone with `neighbours` takes them.
        """
        options = {} if mask is None and level is None else {"mask": mask, "level": level}
        options |= {} if beside is None else {"beside": beside}
        denoised: Tensor = self.backbone(noisy, **options)
        return denoised

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss and its parts for a batch with `noisy` and `clean`."""
        clean, estimate = batch["clean"], self._denoised(batch)
        error = (estimate - clean).square()
        if "mask" in batch:  # absent traces are zero in both
            mse = error.sum((-2, -1)) / clean.square().sum((-2, -1)).clamp_min(1e-8)
        else:
            mse = error.mean((-2, -1)) / clean.var((-2, -1)).clamp_min(1e-8)
        distance = self._distance(mse, clean)
        if not self.ssim_weight:
            return {"loss": distance, "mse": mse.mean()}
        dissimilarity = 1 - metrics.ms_ssim(clean, estimate).mean()
        loss = (1 - self.ssim_weight) * distance + self.ssim_weight * dissimilarity
        return {"loss": loss, "mse": mse.mean(), "one_minus_ms_ssim": dissimilarity}

    def _denoised(self, batch: dict[str, Tensor]) -> Tensor:
        conditions = (batch.get(name) for name in ("mask", "level", "beside"))
        estimate: Tensor = self(batch["noisy"], *conditions)
        return estimate.float()

    def _distance(self, mse: Tensor, clean: Tensor) -> Tensor:
        """Return d from the error power over the signal power of each gather."""
        if self.distance == "mse":
            return mse.mean()
        if self.distance == "rms":
            # The root has no gradient at 0, so the floor corresponds to an error of 1 %.
            return (mse + FLOOR).sqrt().mean()
        # Kept traces may be silent; there is no ratio to a signal then.
        heard = clean.square().sum((-2, -1)) > 0
        return ((mse + LOG_FLOOR).log10() * heard).mean()

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return means over the batch: fidelity to the clean gathers, and leakage."""
        noisy, clean = batch["noisy"], batch["clean"]
        estimate = self._denoised(batch)
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
        """Return the SNR after adaptation, and whether a gather was adapted to, both (batch,)."""
        assert self.adaptation is not None
        adapter = Adapter(self.backbone, replace(self.adaptation, window=self.tta_window))
        scores, adapted = [], []
        for x, s, step in zip(noisy[:, 0].cpu().numpy(), clean[:, 0].cpu(), dt, strict=True):
            estimate, outcome = adapter.denoise(x, np.arange(x.shape[1]) * float(step), unit=1.0)
            scores.append(metrics.snr(s, torch.from_numpy(estimate)))
            adapted.append(float(outcome.steps > 0))
        return {"snr_tta": torch.stack(scores), "adapted": torch.tensor(adapted)}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the denoiser for one gather; an export has no adaptation to a gather."""
        return deployed(self.backbone)

    def draw(self, batch: dict[str, Tensor]) -> dict[str, Figure]:
        """Draw the first gather of a batch: input, denoised, removed, and the added noise."""
        from scionwood_seismic.evaluation.figures import draw_panels

        first = {name: value[:1] for name, value in batch.items()}
        noisy, clean = first["noisy"], first["clean"]
        with torch.no_grad():
            estimate = self._denoised(first)
        panels = {
            "input": noisy,
            "denoised": estimate,
            "removed": noisy - estimate,
            "added noise": noisy - clean,
        }
        return {
            "denoised": draw_panels({name: x[0, 0].cpu().numpy() for name, x in panels.items()})
        }
