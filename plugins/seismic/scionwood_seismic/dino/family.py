"""Families of pretrained encoders: sizes, licence and file layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch import Tensor

from scionwood_seismic.dino.unet import DenoisingUNet


@final
@dataclass(frozen=True)
class Licence:
    """The licence of pretrained weights.

    Attributes:
        name: the name of the licence.
        url: the address of its text.
        restricted: whether it has more conditions than Apache-2.0; loading then logs a warning.
    """

    name: str
    url: str
    restricted: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.url})"


APACHE = Licence("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", restricted=False)


@final
@dataclass(frozen=True)
class Family:
    """Encoders of one architecture in several sizes.

    Attributes:
        title: the name for the card.
        network: encoder -> the denoiser that contains it.
        sizes: name of each size in this plugin -> name in timm.
        tags: timm's names of the published weights; the first is the default.
        licence: the licence of the published weights.
        source: the paper.
        stem: the first convolution, whose three input channels are summed to one.
        layer_scale: timm's option for the initial LayerScale.
        to_timm: (state dict with the original names, model) -> state dict with timm's names.
        tiny: options that reduce `sizes["tiny"]`; empty if there is no such size.
        shipped: the file in this package with weights of size `tiny`; empty if there is none.
        always: further options of timm.
    """

    title: str
    network: Callable[..., DenoisingUNet]
    sizes: Mapping[str, str]
    tags: tuple[str, ...]
    licence: Licence
    source: str
    stem: str
    layer_scale: str
    to_timm: Callable[[dict[str, Tensor], Any], dict[str, Tensor]]
    tiny: Mapping[str, int] = field(default_factory=dict)
    shipped: str = ""
    always: Mapping[str, Any] = field(default_factory=dict)

    def remedy(self, size: str) -> str:
        """Return advice for the case that the weights of a size are not available."""
        if size == "tiny":
            choices = "`none`, `shipped`" if self.shipped else "`none`"
            return f"Give `weights` {choices} or the path of a file with weights of size 'tiny'"
        return (
            f"Give `weights` the path of a file with the weights of {self.sizes[size]} "
            "(.safetensors or .pth), which Meta and the Hugging Face hub publish under the "
            f"{self.licence}; or `weights: none`"
        )
