"""Any network of MONAI as a backbone, by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from scionwood import WeightsError, load_weights
from scionwood_biomed.model.timm_tower import TimmTower

SMALL: Mapping[str, Any] = {
    "spatial_dims": 2,
    "in_channels": 3,
    "channels": (16, 32, 64),
    "strides": (2, 2),
    "num_res_units": 1,
}
"""Options of a small UNet."""
SMALL_3D: Mapping[str, Any] = {
    "block": "basic",
    "layers": (1, 1, 1, 1),
    "block_inplanes": (8, 16, 32, 64),
    "n_input_channels": 1,
    "conv1_t_size": 3,
    "feed_forward": False,
}
"""Options of a small residual network in three dimensions; `layers` and widths as in MedicalNet."""


@final
class MonaiNetwork(nn.Module):
    """A network of MONAI with what a backbone states about itself.

    Args:
        network: the network.
        shape: shape of an example input without the batch.
        classes: names of the classes without background.
        name: its name, for the card.
        drawn: whether the weights are random.
    """

    head = ("network",)

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int],
        classes: Sequence[str],
        name: str,
        *,
        drawn: bool,
    ) -> None:
        super().__init__()
        self.network, self.shape, self.classes = network, tuple(shape), list(classes)
        self.size = int(shape[-1])
        weights = "random, seeded" if drawn else "a file"
        licence = "none (random weights)" if drawn else "that of the file"
        self.card = {"architecture": f"MONAI {name}", "weights": weights, "licence": licence}
        kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
        names = [n for n, m in network.named_modules() if type(m) in kinds]
        joined = "|".join(f"network.{n}" for n in names).replace(".", r"\.")
        self.adapter_targets = {"all": joined} if names else {}

    def forward(self, image: Tensor) -> Tensor:
        """Return what the network returns; of several outputs the first."""
        out = self.network(image)
        logits: Tensor = out[0] if isinstance(out, tuple | list) else out
        return logits

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two noise inputs."""
        return (torch.rand(2, *self.shape),)


def build(
    name: str,
    options: Mapping[str, Any],
    shape: Sequence[int],
    classes: Sequence[str],
    weights: str | None,
    seed: int,
) -> MonaiNetwork:
    """Build a network of `monai.networks.nets`.

    Args:
        name: the class, such as `UNet` or `SwinUNETR`.
        options: its options.
        shape: shape of an example input without the batch.
        classes: names of the classes without background.
        weights: a safetensors file; `None` means random weights.
        seed: seed of random weights.

    Raises:
        WeightsError: MONAI is not installed or has no such network, or refuses the options.
    """
    try:
        from monai.networks import nets
    except ImportError as error:
        remedy = "pip install monai highdicom"
        raise WeightsError(f"monai {name}", "MONAI is not installed", remedy) from error
    component = getattr(nets, name, None)
    if not (isinstance(component, type) and issubclass(component, nn.Module)):
        rule = "monai.networks.nets has no such network"
        raise WeightsError(f"monai {name}", rule, "Use for example UNet or SwinUNETR")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network = component(**dict(options))
        except (TypeError, ValueError) as error:
            rule = f"it refuses its options ({str(error).splitlines()[0][:200]})"
            remedy = "See its documentation in MONAI"
            raise WeightsError(f"monai {name}", rule, remedy) from error
    if weights is not None:
        load_weights(network, weights)
    return MonaiNetwork(network, shape, classes, name, drawn=weights is None)


def load_in_3d(
    model: str,
    weights: str | None,
    shape: tuple[int, int],
    options: Mapping[str, Any] | None,
    seed: int,
) -> TimmTower:
    """Return a network in three dimensions as a tower, for grey values of mean 0.5.

    Args:
        model: `monai:NAME`.
        weights: a safetensors file; `None` means random weights.
        shape: number of slices, and side of a slice in pixels.
        options: its options; `None` means a small residual network.
        seed: seed of random weights.

    Raises:
        WeightsError: see `build`.
    """
    name, (slices, size) = model.removeprefix("monai:"), shape
    network = build(
        name, SMALL_3D if options is None else options, (1, slices, size, size), [], weights, seed
    ).network
    return TimmTower(network, size, ((0.5,), (0.25,)))
