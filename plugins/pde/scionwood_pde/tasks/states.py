"""What is learned: to compress states, to predict the next one, to make new ones."""

from __future__ import annotations

from abc import ABC
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast, final

import torch
from torch import Tensor, nn

from scionwood import Task
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.data.online import OnlineFields
from scionwood_pde.evaluation.metrics import spectrum, vrmse
from scionwood_pde.model import Tadpole, TadpoleFlow
from scionwood_pde.tasks.adversarial import Critic, adversarial_loss

Schedule = Literal["constant", "cosine"]
FAINTEST = 1e-4
"""Of the largest value of a spectrum: what is fainter is below the error of an autoencoder."""


class StatesTask(Task, ABC):
    """A task on normalised states; the run keeps what normalised them.

    Args:
        backbone: its adapter attached.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        warmup_steps: int = 10,
        schedule: Schedule = "cosine",
    ) -> None:
        super().__init__(
            backbone, lr=lr, weight_decay=weight_decay, warmup_steps=warmup_steps, schedule=schedule
        )

    def on_fit_start(self) -> None:
        """Write the data's normaliser into the run folder, where they have one for all states."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        found: Normaliser | None = getattr(data, "normaliser", None)
        if found is not None and self.trainer.is_global_zero:
            found.write(Path(self.trainer.default_root_dir))


@final
class Autoencode(StatesTask):
    """Reconstruct states from their latents: mean squared error, divergence, and a critic.

    The loss is `|x' - x|^2 + kl KL + w A`. In training x' is decoded from a draw of the latents,
    otherwise from their means. A is the term of a critic that tells patches of x from those of
    x'; it is left out where w is 0, and until the squared error of a batch is below the gate.

    Shapes: `state` of a batch, and its reconstruction: (batch, field, x, y, z), float32.

    Units: each field of about zero mean and unit variance.

    Source: Kingma and Welling 2014, arXiv:1312.6114; with these terms in Tadpole,
        arXiv:2605.15284. The weight of the divergence is not published; it is this project's.

    Args:
        backbone: `pde/tadpole`, its adapter attached.
        kl_weight: kl, of the divergence from the unit normal distribution, nats a latent value.
        adversarial_weight: w; the published one is at most 1e-4.
        gate: the mean squared error below which the critic takes part.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        kl_weight: float = 1e-6,
        adversarial_weight: float = 0.0,
        gate: float = 1e-3,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        warmup_steps: int = 10,
        schedule: Schedule = "cosine",
    ) -> None:
        super().__init__(
            backbone, lr=lr, weight_decay=weight_decay, warmup_steps=warmup_steps, schedule=schedule
        )
        self.kl_weight, self.weight, self.gate = kl_weight, adversarial_weight, gate
        self.critic = Critic() if adversarial_weight else None

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss and its parts, for the key `state`."""
        x, model = batch["state"], cast(Tadpole, self.backbone)
        latents = model.encode(x)
        z = latents.sample() if self.training else latents.mean
        estimate = model.decode(z, x.shape[2:])
        mse, kl = (estimate - x).square().mean(), latents.kl().mean()
        losses = {"loss": mse + self.kl_weight * kl, "mse": mse, "kl": kl}
        if self.critic is not None:
            open_gate = (mse.detach() < self.gate).to(mse.dtype)
            term = open_gate * adversarial_loss(self.critic, x, estimate, self.weight)
            losses |= {"loss": losses["loss"] + term, "adversarial": term}
        return losses

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The VRMSE of what the latents' means restore, the mean over fields."""
        x = batch["state"]
        return {"vrmse": _vrmse(self.backbone(x), x)}

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch; where the data come from the online loop, its counts are logged."""
        loss = super().training_step(batch, batch_idx)
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        if isinstance(data, OnlineFields):
            found = {f"online_{name}": value for name, value in data.loop.statistics().items()}
            self.log_dict(found, batch_size=1)
        return loss


@final
class Dynamics(StatesTask):
    """Predict the next state from a state, directly; the loss is the mean squared error.

    Shapes: `state` and `next` of a batch: (batch, field, x, y, z), float32.

    Units: each field of about zero mean and unit variance, the same for both.

    Source: Tadpole, arXiv:2605.15284; VRMSE is that of The Well, arXiv:2412.00568.

    Args:
        backbone: `pde/tadpole_dynamics`, its adapter attached.
        lr: learning rate of the adapter and the head.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mean squared error of the next state."""
        return {"loss": (self.backbone(batch["state"]) - batch["next"]).square().mean()}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """VRMSE, the mean over fields, and that of taking the state for the next one."""
        state, true = batch["state"], batch["next"]
        return {
            "vrmse": _vrmse(self.backbone(state), true),
            "vrmse_persistence": _vrmse(state, true),
        }


@final
class Generate(StatesTask):
    """Make states from noise: flow matching between noise and the latents' means.

    The latents' shift and scale are measured on the training split before the first step, and
    saved with the head. Encoder and decoder stay as they are.

    Shapes: `state` of a batch: (batch, field, x, y, z), float32.

    Units: each field of about zero mean and unit variance.

    Source: Lipman et al. 2023, arXiv:2210.02747, equation 9; in the latents of Tadpole,
        arXiv:2605.15284.

    Args:
        backbone: `pde/tadpole_flow`.
        measured: training batches on which shift and scale are measured.
        lr: learning rate of the head.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        measured: int = 16,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        warmup_steps: int = 10,
        schedule: Schedule = "cosine",
    ) -> None:
        super().__init__(
            backbone, lr=lr, weight_decay=weight_decay, warmup_steps=warmup_steps, schedule=schedule
        )
        self.measured = measured

    @property
    def model(self) -> TadpoleFlow:
        """The backbone by its type; a wrapper of peft passes its methods on."""
        return cast(TadpoleFlow, self.backbone)

    @torch.no_grad()
    def on_train_start(self) -> None:
        """Measure the latents; a resumed run has them from its checkpoint."""
        if self.trainer.global_step:
            return
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        batches = islice(data.train_dataloader(), self.measured)
        states = [batch["state"].to(self.device) for batch in batches]
        self.model.standard.measure(torch.cat([self.model.encode(x).mean for x in states]))

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mean squared error of the velocity at a time drawn uniformly."""
        x = batch["state"]
        noise = self._noise(x)
        t = torch.rand(len(x), device=x.device, dtype=x.dtype)
        given, true = self.model.flow(x, noise, t)
        return {"loss": (given - true).square().mean()}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """How far the spectra of as many generated states are from the batch's, in decades.

        The mean over fields and shells of `|log10 (E' / E)|`, each E a mean over the batch; of
        shells with `FAINTEST` of a field's largest E or more, and without the mean.
        """
        x = batch["state"]
        made = self.backbone(self._noise(x))[..., : x.shape[2], : x.shape[3], : x.shape[4]]
        lengths = [side / x.shape[2] for side in x.shape[2:]]
        given, true = (spectrum(states, lengths)[1].mean(0)[:, 1:] for states in (made, x))
        heard = true >= FAINTEST * true.amax(1, keepdim=True)
        distance = (given / true).log10().abs()[heard].mean()
        return {"spectral_distance": distance, "std": made.std()}

    def _noise(self, x: Tensor) -> Tensor:
        """Unit noise of the shape of the latents of states, from torch's global generator."""
        sides = self.model.layout(x).latent().sides
        channels = x.shape[1] * self.model.size.latent_channels
        return torch.randn(len(x), channels, *sides, device=x.device, dtype=x.dtype)


def _vrmse(predicted: Tensor, true: Tensor) -> Tensor:
    """The mean over samples and fields (batch, field, x, y, z) of the error by deviation."""
    return vrmse(predicted.unsqueeze(1), true.unsqueeze(1)).mean()
