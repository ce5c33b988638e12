"""Denoising networks: an encoder that provides feature maps of stride 16, and a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch
from timm.layers.norm import LayerNorm2d
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_seismic.dino.decoder import Decoder

STRIDE = 16
"""Stride of the feature maps for the decoder, samples."""

LEVELS = 4
"""Number of feature maps for the decoder."""

COMMON = 128
"""Number of channels to which each map of a ConvNeXt is projected."""

VIT_ATTENTION, VIT_MLP = r"attn\.(qkv|proj)", r"mlp\.(fc1|fc1_g|fc1_x|fc2)"
VIT_TARGETS = {
    # The patterns start at the blocks, because `proj` alone also matches the patch embedding.
    "attention": rf"encoder\.blocks\.\d+\.{VIT_ATTENTION}",
    "mlp": rf"encoder\.blocks\.\d+\.{VIT_MLP}",
    "all-linear": rf"encoder\.blocks\.\d+\.({VIT_ATTENTION}|{VIT_MLP})",
}
CONVNEXT_MLP = r"encoder\.stages\.\d+\.blocks\.\d+\.mlp\.(fc1|fc2)"
# There is no preset for the depthwise convolutions: LoRA in peft needs a rank that is a multiple of
# their groups (96 and more), and cannot merge them.
CONVNEXT_TARGETS = {"mlp": CONVNEXT_MLP, "all-linear": CONVNEXT_MLP}


class DenoisingUNet(nn.Module, ABC):
    """An encoder with feature maps from four depths, and a decoder with a convolutional path.

    Args:
        encoder: the encoder, with one input channel.
        decoder: the decoder of the maps of the encoder.
        targets: name of a preset -> pattern of the layers that an adapter modifies.
        head: the names of modules that train together with an adapter.
        card: entries for the model card.
    """

    multiple: ClassVar[int]
    """Gathers are padded to a multiple of this number."""

    encoder: Any  # a model of timm, whose methods are not those of every Module

    def __init__(
        self,
        encoder: nn.Module,
        decoder: Decoder,
        *,
        targets: Mapping[str, str],
        head: tuple[str, ...],
        card: Mapping[str, str],
    ) -> None:
        super().__init__()
        self.encoder = encoder
        decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]  # faster on CPUs
        self.decoder = decoder
        self.adapter_targets, self.head, self.card = dict(targets), head, dict(card)

    @abstractmethod
    def maps(self, x: Tensor) -> list[Tensor]:
        """Return four maps (batch, channel, trace / 16, time / 16) of a padded gather."""

    def forward(self, x: Tensor, mask: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Denoise gathers of any size.

        Args:
            x: (batch, 1, trace, time) of about unit amplitude; see `normalise.scale`. It is zero
                where the mask is.
            mask: the same shape, 1 where there is data and 0 elsewhere; None: everywhere. The
                result is zero outside.
            level: the RMS of the noise, (batch,); this network does not use it.

        Returns:
            The same shape and units.
        """
        traces, times = x.shape[-2:]
        pad = (0, -times % self.multiple, 0, -traces % self.multiple)
        if any(pad):
            x = F.pad(x, pad, mode="replicate")
        denoised: Tensor = self.decoder(x, self.maps(x))
        denoised = denoised[..., :traces, :times]
        return denoised if mask is None else denoised * mask

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two gathers of 32 traces and 48 samples."""
        return (torch.randn(2, 1, 32, 48, generator=torch.Generator().manual_seed(0)),)


@final
class ViTUNet(DenoisingUNet):
    """A denoiser with a Vision Transformer, whose blocks all have maps of the same size.

    Args:
        encoder: a ViT with one input channel. If its patch is not 16 samples long, the gather is
            resampled for it, so that its maps have stride 16.
        trained_stem: whether the patch embedding trains with the head, as random weights require.
        width: channels of the decoder at half resolution.
        scales: number of strides of the decoder's pyramid (2, 4, 8).
        predict: what the decoder models, "noise" or "clean".
        common_mode: whether the decoder removes what all traces share.
        card: entries for the model card.
    """

    multiple = STRIDE

    def __init__(
        self,
        encoder: Eva | VisionTransformer,
        *,
        trained_stem: bool,
        width: int,
        scales: int,
        predict: str,
        common_mode: bool,
        card: Mapping[str, str],
    ) -> None:
        super().__init__(
            encoder,
            Decoder(
                encoder.embed_dim,
                LEVELS,
                width=width,
                scales=scales,
                predict=predict,
                common_mode=common_mode,
            ),
            targets=VIT_TARGETS,
            head=("decoder", "encoder.patch_embed") if trained_stem else ("decoder",),
            card=card,
        )
        depth = len(encoder.blocks)
        self._depths = [(i + 1) * depth // LEVELS - 1 for i in range(LEVELS)]
        self._patch: int = encoder.patch_embed.patch_size[0]

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the normalised maps after a quarter, a half, three quarters and all blocks."""
        if self._patch != STRIDE:
            size = [length // STRIDE * self._patch for length in x.shape[-2:]]
            x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
        maps: list[Tensor] = self.encoder.forward_intermediates(
            x, indices=self._depths, norm=True, intermediates_only=True
        )
        return maps


@final
class ConvNeXtUNet(DenoisingUNet):
    """A denoiser with a ConvNeXt, whose four stages have strides 4, 8, 16 and 32.

    Maps finer than stride 16 are averaged, and the coarser one is repeated. Layers of the head then
    normalise each map and project it to a common number of channels.

    Args:
        encoder: a ConvNeXt with one input channel; its classifier is removed.
        trained_stem: whether the stem trains with the head, as random weights require.
        width: channels of the decoder at half resolution.
        scales: number of strides of the decoder's pyramid (2, 4, 8).
        predict: what the decoder models, "noise" or "clean".
        common_mode: whether the decoder removes what all traces share.
        card: entries for the model card.
    """

    multiple = 32

    def __init__(
        self,
        encoder: ConvNeXt,
        *,
        trained_stem: bool,
        width: int,
        scales: int,
        predict: str,
        common_mode: bool,
        card: Mapping[str, str],
    ) -> None:
        super().__init__(
            encoder,
            Decoder(
                COMMON,
                LEVELS,
                width=width,
                scales=scales,
                predict=predict,
                common_mode=common_mode,
            ),
            targets=CONVNEXT_TARGETS,
            head=("decoder", "project", *(("encoder.stem",) if trained_stem else ())),
            card=card,
        )
        # The decoder does not use the classifier, so its norm would get no gradient.
        self.encoder.head = nn.Identity()
        widths = [stage["num_chs"] for stage in self.encoder.feature_info]
        self.project = nn.ModuleList(
            nn.Sequential(LayerNorm2d(channels), nn.Conv2d(channels, COMMON, 1))
            for channels in widths
        )

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the map of each stage, resampled to stride 16 and projected."""
        stages = self.encoder.forward_intermediates(x, indices=LEVELS, intermediates_only=True)
        width = x.shape[-1] // STRIDE
        return [
            project(_resampled(stage, width))
            for project, stage in zip(self.project, stages, strict=True)
        ]


def _resampled(stage: Tensor, width: int) -> Tensor:
    if stage.shape[-1] > width:
        return F.avg_pool2d(stage, stage.shape[-1] // width)
    return F.interpolate(stage, scale_factor=width / stage.shape[-1], mode="nearest")
