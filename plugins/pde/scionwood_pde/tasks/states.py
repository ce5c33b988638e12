"""The tasks on single states: reconstruct them from latents, and generate them."""

from __future__ import annotations

from abc import ABC
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Unpack, cast, final

import torch
from torch import Tensor, nn

from scionwood import Optimiser, RecipeError, Task
from scionwood.authoring import Corruption, Deployed
from scionwood_pde.data.domain import Domain
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.data.online import OnlineFields
from scionwood_pde.evaluation.metrics import decades, spectrum, vrmse
from scionwood_pde.model import Tadpole, TadpoleFlow
from scionwood_pde.model.flow import between
from scionwood_pde.tasks.adversarial import Critic, adversarial_loss
from scionwood_pde.tasks.deployed import deployed


class StatesTask(Task, ABC):
    """A task on normalised states, whose run keeps the normaliser."""

    defaults: ClassVar[Optimiser] = {"warmup_steps": 10, "schedule": "cosine"}

    def on_fit_start(self) -> None:
        """Write normaliser and domain of the data into the run folder, if the data have them."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        normaliser: Normaliser | None = getattr(data, "normaliser", None)
        if normaliser is not None and self.trainer.is_global_zero:
            normaliser.write(self.trainer.default_root_dir)
        domain: Domain | None = getattr(data, "domain", None)
        if domain is not None and self.trainer.is_global_zero:
            domain.write(self.trainer.default_root_dir)


@final
class Autoencode(StatesTask):
    """Reconstruct states from their latents: squared error, divergence, and an optional critic.

    The loss is `|x' - x|^2 + kl KL + w A`. In training x' is decoded from a sample of the latents,
    otherwise from their means. A is the adversarial term of a critic that distinguishes patches of
    x from those of x'. It is zero if w is 0, and while the squared error of a batch is above the
    gate.

    Shapes: `state` of a batch and its reconstruction are (batch, field, x, y, z), float32.

    Units: each field has about zero mean and unit variance.

    Source: Kingma and Welling 2014, arXiv:1312.6114; these terms are those of Tadpole,
        arXiv:2605.15284. The weight of the divergence is not published; this project chose it.

    Args:
        backbone: `pde/tadpole` with its adapter attached.
        kl_weight: kl, the weight of the divergence from the unit normal distribution, in nats for
            each latent value.
        adversarial_weight: w; the published one is at most 1e-4.
        gate: mean squared error below which the critic takes part.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        kl_weight: float = 1e-6,
        adversarial_weight: float = 0.0,
        gate: float = 1e-3,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.kl_weight, self.weight, self.gate = kl_weight, adversarial_weight, gate
        self.critic = Critic() if adversarial_weight else None

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of `state` and its terms."""
        x, model = batch["state"], cast(Tadpole, self.backbone)
        latents = model.encode(x)
        z = latents.sample() if self.training else latents.mean
        estimate = model.decode(z, x.shape[2:])
        mse, kl = mean_over((estimate - x).square(), batch.get("mask")), latents.kl().mean()
        losses = {"loss": mse + self.kl_weight * kl, "mse": mse, "kl": kl}
        if self.critic is not None:
            # A factor instead of a branch, so that every process of a training has the same graph.
            open_gate = (mse.detach() < self.gate).to(mse.dtype)
            term = open_gate * adversarial_loss(self.critic, x, estimate, self.weight)
            losses |= {"loss": losses["loss"] + term, "adversarial": term}
        return losses

    def counts(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """Return the points that count, over which the squared error is a mean."""
        mask = batch.get("mask")
        return {} if mask is None else {"mse": float(mask.sum())}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the VRMSE of reconstructions from the latents' means, averaged over fields."""
        x = batch["state"]
        return {"vrmse": mean_vrmse(self.backbone(x), x, batch.get("mask"))}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the autoencoder, from a state to its reconstruction."""
        return deployed(self.backbone, folder, given="state", made="reconstruction")

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch, and log the statistics of the online loop if data use it."""
        loss = super().training_step(batch, batch_idx)
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        if isinstance(data, OnlineFields):
            counts = {f"online_{name}": value for name, value in data.loop.statistics().items()}
            self.log_dict(counts, batch_size=1)
        return loss


@final
class Generate(StatesTask):
    """Generate states from noise: flow matching between noise and the means of the latents.

    Shift and scale of the latents are measured on the training split before the first step, and
    saved with the head. A backbone whose network for the velocity is in the base keeps those of
    the base. The encoder does not change. The decoder changes only if it has an adapter and
    `decoder_weight` is above 0: the loss is then `|v' - v|^2 + w |x' - x|^2`, where x' is decoded
    from the latents of x.

    Shapes: `state` of a batch is (batch, field, x, y, z), float32.

    Units: each field has about zero mean and unit variance.

    Raises:
        RecipeError: a label is missing, not known, or given to a backbone without labels; or the
            weight is negative.

    Source: Lipman et al. 2023, arXiv:2210.02747, equation 9; in the latents of Tadpole,
        arXiv:2605.15284. The term of the decoder is this project's.

    Args:
        backbone: `pde/tadpole_flow`.
        measured: number of training batches on which shift and scale are measured.
        label: number of the equation of the data, from 0, for a backbone with `labels`.
        decoder_weight: w, the weight of the decoder's error, which trains an adapter on it.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        measured: int = 16,
        label: int | None = None,
        decoder_weight: float = 0.0,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        labels = int(getattr(backbone, "labels", 0))
        if (label is None) == bool(labels) or not 0 <= (label or 0) < max(labels, 1):
            rule = f"the backbone has {labels} labels"
            remedy = "Give a number below that, from 0, or leave label out if it has none"
            raise RecipeError(f"label: {label}", rule, remedy)
        if decoder_weight < 0:
            raise RecipeError(f"decoder_weight: {decoder_weight}", "0 or more", "Such as 1")
        self.measured, self.label, self.decoder_weight = measured, label, decoder_weight

    @property
    def model(self) -> TadpoleFlow:
        """The backbone with its type; a wrapper of peft passes its methods on."""
        return cast(TadpoleFlow, self.backbone)

    @torch.no_grad()
    def on_train_start(self) -> None:
        """Measure the latents; a resumed run has their shift and scale from its checkpoint."""
        if self.trainer.global_step or not self.model.head:
            return
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        batches = islice(data.train_dataloader(), self.measured)
        states = [batch["state"].to(self.device) for batch in batches]
        self.model.standard.measure(torch.cat([self.model.encode(x).mean for x in states]))

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the error of the velocity at uniformly drawn times, and that of the decoder."""
        x = batch["state"]
        noise = self._noise(x)
        t = torch.rand(len(x), device=x.device, dtype=x.dtype)
        data = self.model.latents(x)
        predicted, reference = self.model.matched(data, noise, t, self._labels(x))
        velocity = (predicted - reference).square().mean()
        if not self.decoder_weight:
            return {"loss": velocity}
        decoded = self.model.decode(self.model.standard.inverse(data), x.shape[2:])
        error = mean_over((decoded - x).square(), batch.get("mask"))
        loss = velocity + self.decoder_weight * error
        return {"loss": loss, "velocity": velocity, "reconstruction": error}

    def corruption(self) -> Corruption:
        """Return the path from noise at time 0 to latents at time 1."""
        return Corruption(
            "flow matching",
            (between,),
            sample=lambda n: (torch.randn(n, 8), torch.randint(4, (n,))),
            apply=lambda clean, t, label: (
                between(torch.randn_like(clean), clean, _required_time(t)),
                None,
            ),
            time=torch.rand,
            scale=lambda t: (_required_time(t), 1 - _required_time(t)),
            terminal=0.0,
        )

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the distance between spectra of generated states and of the batch, in decades.

        It is the mean over fields and shells of `|log10 (E' / E)|`, where each E is a mean over the
        batch. Shells below `FAINTEST` of a field's largest E do not count, nor does the mean.
        """
        x = batch["state"]
        generated = self.backbone(self._noise(x), self._labels(x))
        generated = generated[..., : x.shape[2], : x.shape[3], : x.shape[4]]
        # Cells are taken as cubes; the unit of length drops out of the ratio of two spectra.
        lengths = [side / x.shape[2] for side in x.shape[2:]]
        energy, reference = (
            spectrum(states, lengths)[1].mean(0)[:, 1:] for states in (generated, x)
        )
        distances, is_strong = decades(energy, reference)
        return {"spectral_distance": distances[is_strong].mean(), "std": generated.std()}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the generator, from noise in the shape of the latents to a state."""
        return deployed(self.backbone, folder, given="noise", made="state")

    def _noise(self, x: Tensor) -> Tensor:
        """Draw unit noise of the latents' shape from torch's global generator."""
        sides = self.model.layout(x).latent().sides
        channels = x.shape[1] * self.model.shape.latent_channels
        return torch.randn(len(x), channels, *sides, device=x.device, dtype=x.dtype)

    def _labels(self, x: Tensor) -> Tensor | None:
        """Return the label of each state of a batch, or None without labels."""
        return None if self.label is None else torch.full((len(x),), self.label, device=x.device)


def _required_time(time: Tensor | None) -> Tensor:
    assert time is not None, "flow matching draws times"
    return time


def mean_vrmse(predicted: Tensor, reference: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the VRMSE of states (batch, field, x, y, z), averaged over samples and fields.

    Args:
        predicted: the predicted states.
        reference: the reference states.
        mask: 1 at the points that count, of the same shape. `None` means all points.
    """
    where = None if mask is None else mask.unsqueeze(1) > 0
    return vrmse(predicted.unsqueeze(1), reference.unsqueeze(1), where=where).nanmean()


def mean_over(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of the values at which a mask of their shape is 1, or of all values."""
    return values.mean() if mask is None else (values * mask).sum() / mask.sum().clamp(min=1)
