"""The base of all models: encoder, decoder, tiles, and targets for adapters."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from scionwood_pde.model.decoder import Decoder
from scionwood_pde.model.encoder import Encoder, Gaussian
from scionwood_pde.model.presets import SIZES, STRIDE, SizeName
from scionwood_pde.model.tiles import Boundary, TileLayout, Tiling
from scionwood_pde.model.weights import SOURCE, load_coder, origin

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


@dataclass(kw_only=True, eq=False, repr=False)
class Coder(nn.Module, ABC):
    """An encoder and a decoder that process one field at a time, tile by tile.

    All fields of a state become samples of the batch, so that one encoder serves any number of
    fields. Everything except encoder and decoder is the head.

    Attributes:
        size: `tiny` for CPUs, or a published size: `S`, `B` or `L`.
        weights: `none` (random), `shipped` (`tiny` only), `hub` or `hub:REVISION` (the authors'
            files), or a folder with `tadpole_SIZE_encoder.safetensors` and the decoder's file.
        init_seed: seed of random weights, including those of the head.
        tile: voxels along each axis that the network processes at once, a multiple of 16. `None`
            means the whole domain. Results depend on it; the published weights were trained on 64.
            A network over the latents always sees the whole domain.
        halo: voxels at each face of a tile that are computed and dropped, a multiple of 16.
        boundary: values beyond the domain: its outermost values (`edge`) or those of its opposite
            side (`periodic`).
        at_once: most tiles that the network processes at once; 0 means no limit.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.
        ValueError: tile and halo do not fit.
    """

    size: SizeName = "tiny"
    weights: str | Path = "none"
    init_seed: int = 0
    tile: int | None = None
    halo: int = 0
    boundary: Boundary = "edge"
    at_once: int = 0

    def __post_init__(self) -> None:
        super().__init__()  # the options are plain attributes, which torch takes before this
        self.tiling = Tiling(self.tile, self.halo, self.boundary)
        self.shape = SIZES[self.size]
        self.adapter_targets = dict(ADAPTER_TARGETS)
        weights = str(self.weights)
        with torch.random.fork_rng(devices=[]):  # the global random state does not change
            torch.manual_seed(self.init_seed)
            self.encoder, self.decoder = Encoder(self.shape), Decoder(self.shape)
            self.add_head()
        load_coder(self, self.size, weights)
        self.card = {
            "architecture": f"Tadpole, size {self.size}",
            **origin(weights),
            "source": SOURCE,
            "tiles": str(self.tiling),
        }

    def add_head(self) -> None:
        """Add the modules beside encoder and decoder; an autoencoder has none."""

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
        channels, latent = self.shape.latent_channels, layout.latent()
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
