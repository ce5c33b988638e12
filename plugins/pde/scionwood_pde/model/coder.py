"""The base of all models: encoder, decoder, tiles, and targets for adapters."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from scionwood_pde.model.decoder import Decoder
from scionwood_pde.model.encoder import Encoder, Gaussian
from scionwood_pde.model.presets import STRIDE, Size
from scionwood_pde.model.tiles import TileLayout, Tiling

_LINEAR = r"attn\.qkv|mlp\.fc[12]"
_CONV = (
    r"feature_embed|downsampling_layers\.\d|conv_\d|body\.[02]|to_latent|out_proj|linear_conv"
    "|decompress"
)
_NAMES = {
    "attention": r"attn\.qkv",
    "mlp": r"mlp\.fc[12]",
    "all-linear": _LINEAR,
    "conv": _CONV,
    "all": rf"{_LINEAR}|cpb_mlp\.[02]|{_CONV}",
}
ADAPTER_TARGETS: Mapping[str, str] = {
    preset: rf"(encoder|decoder)\..*({names})" for preset, names in _NAMES.items()
}
"""`all` covers the layers of the published adapters, except one that the network never calls."""


class Coder(nn.Module, ABC):
    """An encoder and a decoder that process one field at a time, tile by tile.

    All fields of a state become samples of the batch, so that one encoder serves any number of
    fields. Everything except encoder and decoder is the head.

    Args:
        size: the dimensions of the network.
        tiling: how domains are cut into tiles. `None` means whole domains.
        at_once: most tiles that the network processes at once; 0 means no limit.
        card: entries for the model card.
    """

    def __init__(
        self,
        size: Size,
        *,
        tiling: Tiling | None = None,
        at_once: int = 0,
        card: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.size, self.tiling, self.at_once = size, tiling or Tiling(), at_once
        self.encoder, self.decoder = Encoder(size), Decoder(size)
        self.adapter_targets = dict(ADAPTER_TARGETS)
        self.card = {**(card or {}), "tiles": str(self.tiling)}

    def encode(self, x: Tensor) -> Gaussian:
        """Return the distribution of the latents of states.

        Args:
            x: (batch, field, x, y, z), each field with about zero mean and unit variance.

        Returns:
            (batch, field * latent channel, x / 16, y / 16, z / 16), rounded up to whole tiles.

        Raises:
            ValueError: the shape is wrong, or the domain does not fit the tiling.
        """
        layout = self.layout(x)
        tiles = self.batched(self.encoder, layout.split(fields_apart(x, 1)))
        latent = layout.latent()
        mean, logvar = (fields_together(latent.join(part), x.shape[1]) for part in tiles)
        return Gaussian(mean, logvar)

    def decode(self, z: Tensor, sides: Sequence[int]) -> Tensor:
        """Return states from latents.

        Args:
            z: latents in the shape that `encode` returns.
            sides: sides of the domain in voxels.

        Returns:
            (batch, field, *sides).

        Raises:
            ValueError: the shape of the latents does not fit the domain.
        """
        layout = self.tiling.layout(sides)
        channels, latent = self.size.latent_channels, layout.latent()
        if z.ndim != 5 or z.shape[1] % channels or tuple(z.shape[2:]) != latent.sides:
            raise ValueError(
                f"latents of shape {tuple(z.shape)}: a domain of {tuple(sides)} voxels has "
                f"(batch, {channels} per field, {', '.join(map(str, latent.sides))}). Give the "
                "sides and the tiling with which they were encoded"
            )
        (tiles,) = self.batched(
            lambda z: (self.decoder(z),), latent.split(fields_apart(z, channels))
        )
        return fields_together(layout.join(tiles), z.shape[1] // channels)

    def layout(self, x: Tensor) -> TileLayout:
        """Return the tiles of a batch of states.

        Raises:
            ValueError: the shape is wrong, or the domain does not fit the tiling.
        """
        if x.ndim != 5:
            raise ValueError(
                f"an input of shape {tuple(x.shape)}: it is (batch, field, x, y, z). Add the "
                "missing axes, with at least 16 voxels along each side"
            )
        return self.tiling.layout(x.shape[2:])

    def batched(
        self, function: Callable[..., tuple[Tensor, ...]], *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        """Call a function on `at_once` tiles at a time, and concatenate its results."""
        if not self.at_once:
            return function(*inputs)
        parts = zip(*(torch.split(x, self.at_once) for x in inputs), strict=True)
        columns = zip(*(function(*part) for part in parts), strict=True)
        return tuple(torch.cat(column) for column in columns)

    def example_input(self) -> tuple[Tensor, ...]:
        """Return one state of one field with the smallest side that the tiling allows."""
        side = self.tiling.tile or STRIDE
        return (self.example(1, side),)

    def example(self, channels: int, side: int) -> Tensor:
        """Return a seeded normal cube (1, channels, side, side, side) in the weights' precision."""
        generator = torch.Generator().manual_seed(0)
        cube = torch.randn(1, channels, side, side, side, generator=generator)
        return cube.to(next(self.parameters()).dtype)


def fields_apart(x: Tensor, channels: int) -> Tensor:
    """Map (batch, field * channel, ...) to (batch * field, channel, ...)."""
    return torch.unflatten(x, 1, (-1, channels)).flatten(0, 1)


def fields_together(x: Tensor, fields: int) -> Tensor:
    """Map (batch * field, channel, ...) to (batch, field * channel, ...)."""
    return torch.unflatten(x, 0, (-1, fields)).flatten(1, 2)


def check_fields(x: Tensor, fields: int) -> None:
    """Check that states have the number of fields for which a model was built.

    Raises:
        ValueError: the numbers differ; the message names both.
    """
    if x.shape[1] != fields:
        raise ValueError(
            f"a state of {x.shape[1]} fields: this model was built for {fields}. Build it with "
            f"`fields: {x.shape[1]}`"
        )
