"""The backbone: a DINOv3 Vision Transformer from timm, with a decoder that denoises gathers."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import timm
import torch
from safetensors import SafetensorError
from timm.models.eva import Eva
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import WeightsError
from scionwood_seismic.decoder import Decoder

PATCH = 16
LICENCE = "DINOv3 License (https://ai.meta.com/resources/models-and-libraries/dinov3-license)"
TINY = {"embed_dim": 96, "depth": 4, "num_heads": 3}
SIZES = {
    "tiny": "vit_small_patch16_dinov3",  # its architecture, with the dimensions of TINY
    "small": "vit_small_patch16_dinov3",
    "small_plus": "vit_small_plus_patch16_dinov3",
    "base": "vit_base_patch16_dinov3",
    "large": "vit_large_patch16_dinov3",
    "huge_plus": "vit_huge_plus_patch16_dinov3",
    "7b": "vit_7b_patch16_dinov3",
    "small_qkvb": "vit_small_patch16_dinov3_qkvb",
    "small_plus_qkvb": "vit_small_plus_patch16_dinov3_qkvb",
    "base_qkvb": "vit_base_patch16_dinov3_qkvb",
    "large_qkvb": "vit_large_patch16_dinov3_qkvb",
    "huge_plus_qkvb": "vit_huge_plus_patch16_dinov3_qkvb",
}
"""Our name of each size, and timm's."""

Size = Literal[
    "tiny",
    "small",
    "small_plus",
    "base",
    "large",
    "huge_plus",
    "7b",
    "small_qkvb",
    "small_plus_qkvb",
    "base_qkvb",
    "large_qkvb",
    "huge_plus_qkvb",
]


class DinoUNet(nn.Module):
    """A ViT whose maps of four depths and a convolutional detail path give a denoised gather.

    Args:
        encoder: a ViT with one input channel.
        decoder: what turns its maps into a gather.
        trained_stem: the encoder's weights are random, so its patch embedding trains with the head.
        card: entries for the model card.
    """

    def __init__(
        self, encoder: Eva, decoder: Decoder, *, trained_stem: bool, card: dict[str, str]
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        attention, mlp = r"attn\.(qkv|proj)", r"mlp\.(fc1|fc1_g|fc1_x|fc2)"
        self.adapter_targets = {
            "attention": rf"encoder\.blocks\.\d+\.{attention}",
            "mlp": rf"encoder\.blocks\.\d+\.{mlp}",
            "all-linear": rf"encoder\.blocks\.\d+\.({attention}|{mlp})",
        }
        self.head = ("decoder", "encoder.patch_embed") if trained_stem else ("decoder",)
        self.card = card
        depth = len(encoder.blocks)
        self._depths = [(i + 1) * depth // 4 - 1 for i in range(4)]

    def forward(self, x: Tensor) -> Tensor:
        """Denoise gathers of any size.

        Args:
            x: (batch, 1, trace, time), of about unit amplitude; see `normalise.scale`.

        Returns:
            The same shape and units.
        """
        traces, times = x.shape[-2:]
        x = F.pad(x, (0, -times % PATCH, 0, -traces % PATCH), mode="replicate")
        maps = self.encoder.forward_intermediates(
            x, indices=self._depths, norm=True, intermediates_only=True
        )
        return self.decoder(x, maps)[..., :traces, :times]

    def example_input(self) -> tuple[Tensor, ...]:
        """Two gathers of 32 traces and 48 samples."""
        return (torch.randn(2, 1, 32, 48, generator=torch.Generator().manual_seed(0)),)


def dinov3_unet(
    *,
    size: Size = "tiny",
    weights: str | Path = "none",
    init_seed: int = 0,
    predict: Literal["noise", "clean"] = "noise",
    width: int = 32,
) -> DinoUNet:
    """A DINOv3 ViT with a denoising U-Net decoder.

    Pretrained weights are under the DINOv3 License, which also binds what derives from them; this
    package ships none. The `*_qkvb` sizes read `attn.qkv` past its module, so that an adapter there
    is refused; use `targets: mlp` with them.

    Args:
        size: the ViT; `tiny` (96 channels, 4 blocks) is for CPUs and has no pretrained weights.
        weights: `none` (random, and then the patch embedding trains with the decoder), `hub`
            (timm's copy on the Hugging Face hub), or the path of a `.safetensors` or `.pth` file.
        init_seed: seeds all random weights.
        predict: whether the decoder models what to remove or what to keep; it returns the latter.
        width: channels of the decoder at half resolution.

    Shapes: (batch, 1, trace, time) to the same, float32; any size, padded to multiples of 16.

    Units: amplitudes divided by `normalise.scale`, in and out.

    Raises:
        WeightsError: the weights are not there, unreadable, or of another size.

    Source: Simeoni et al., 2025, DINOv3, arXiv 2508.10104; the ViT is timm's.
    """
    random = str(weights) == "none"
    options: dict[str, Any] = dict(TINY) if size == "tiny" else {}
    if random:
        # LayerScale starts at 1e-5 in DINOv3; among random weights it would silence every adapter.
        options["init_values"] = 1.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        encoder = _create(size, options) if random else _pretrained(size, options, weights)
        decoder = Decoder(encoder.embed_dim, 4, width=width, predict=predict)
    decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on CPUs
    return DinoUNet(encoder, decoder, trained_stem=random, card=_card(size, weights))


def _create(size: str, options: dict[str, Any]) -> Eva:
    encoder = timm.create_model(SIZES[size], num_classes=0, in_chans=1, **options)
    assert isinstance(encoder, Eva)
    return encoder


def _pretrained(size: str, options: dict[str, Any], weights: str | Path) -> Eva:
    remedy = (
        f"Give `weights` the path of a file with the weights of {SIZES[size]} (.safetensors), "
        f"which Meta and the Hugging Face hub give out under the {LICENCE}; or `weights: none`"
    )
    if size == "tiny":
        raise WeightsError(
            f"weights {str(weights)!r}", "size 'tiny' has no pretrained weights", remedy
        )
    if str(weights) != "hub":
        if not Path(weights).is_file():
            raise WeightsError(str(weights), "there is no such weights file", remedy)
        options |= {"pretrained_cfg_overlay": {"file": str(weights)}}
    try:
        return _create(size, {"pretrained": True, **options})
    except (OSError, RuntimeError, SafetensorError, UnpicklingError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(str(weights), f"cannot load {SIZES[size]} ({first})", remedy) from error


def _card(size: str, weights: str | Path) -> dict[str, str]:
    source = {"none": "random, seeded", "hub": f"hf.co/timm/{SIZES[size]}"}.get(str(weights))
    return {
        "architecture": f"DINOv3 ViT, size {size} (timm {SIZES[size]}), with a U-Net decoder",
        "weights": source or f"local file {Path(weights).name}",
        "licence": "none (random weights)" if str(weights) == "none" else LICENCE,
        "source": "Simeoni et al., 2025, DINOv3, arXiv 2508.10104",
    }
