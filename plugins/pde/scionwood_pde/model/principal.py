"""Initial weights from the principal components of blocks of voxels.

Each convolution of stride 2 maps blocks of 2^3 cells to their principal components. Each upsampling
maps components back to blocks. All nonlinear branches start at zero. Such a model reconstructs
smooth fields before any training. From torch's own initial values, training would need tens of
thousands of steps for the result of this eigenvalue problem.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_pde.model import Coder
from scionwood_pde.model.decoder import Decoder
from scionwood_pde.model.encoder import Encoder

CORNERS = 8
"""Number of cells of a block of 2^3."""

LOG_VARIANCE = -9.0
"""Initial logarithm of the variance of the latents, whose means have unit variance."""

CONSTANT = 8.0
"""Value of one channel before the decoder's LayerNorm, and minus the value of another.

They are larger than the signal. The LayerNorm therefore divides by a nearly constant number, and
amplitudes are preserved."""


HALVINGS = (
    "conv_encoder.downsampling_layers.0",
    "conv_encoder.downsampling_layers.1",
    "transformer_encoder.downsamples.0.body.0",
    "transformer_encoder.downsamples.1.body.0",
)
"""The encoder's convolutions of stride 2, with the finest first."""


@torch.no_grad()
def principal_start(model: Coder, cubes: Tensor, generator: torch.Generator) -> None:
    """Initialise a model from the principal components of cubes, level by level.

    Further channels start with random input kernels and zero output kernels. They have no effect at
    first but receive gradients.

    Args:
        model: the model, changed in place.
        cubes: a few hundred cubes, (cube, 1, x, y, z), of unit variance; sides are multiples of 16.
        generator: random numbers for the kernels.
    """
    near_linear(model, generator)
    levels, deviations = _start_encoder(model.encoder, cubes)
    _start_decoder(model.decoder, levels, deviations)


@torch.no_grad()
def near_linear(model: Coder, generator: torch.Generator) -> None:
    """Initialise a model as a chain of convolutions that keep the magnitude of a signal.

    With torch's own initial values, the residual branches are larger than their inputs, and the
    model learns nothing in the first hundreds of steps. Here the branches start at zero.

    Args:
        model: the model, changed in place.
        generator: random numbers for the kernels.
    """
    for name, module in model.named_modules():
        if name.endswith(("conv_2", "mlp.fc2")):
            nn.init.zeros_(module.weight)
        elif name.endswith("attn.qkv"):
            # The values of attention, the last third of q, k, v: the branch then adds nothing.
            nn.init.zeros_(module.weight[2 * len(module.weight) // 3 :])
        elif isinstance(module, nn.Conv3d) and not name.endswith("conv_1"):
            std = module.weight[0].numel() ** -0.5
            nn.init.normal_(module.weight, std=std, generator=generator)
        if isinstance(module, nn.Conv3d) and module.bias is not None:
            nn.init.zeros_(module.bias)


def components(maps: Tensor, count: int) -> Tensor:
    """Return the principal components of blocks of 2^3 cells, with the largest first.

    Args:
        maps: (sample, channel, x, y, z) with even sides. Means are not subtracted.
        count: largest number of components.

    Returns:
        (component, corner, channel), orthonormal. Corner 4 i + 2 j + k is the cell (i, j, k).
    """
    x = maps
    for axis in (2, 4, 6):
        x = torch.unflatten(x, axis, (-1, 2))
    blocks = x.permute(0, 2, 4, 6, 3, 5, 7, 1).flatten(4).flatten(0, 3).double()
    _, vectors = torch.linalg.eigh(blocks.T @ blocks)
    largest = vectors.flip(1)[:, :count].T
    return torch.unflatten(largest, 1, (CORNERS, -1)).to(maps.dtype)


def _start_encoder(encoder: Encoder, cubes: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the components, finest level first, and the standard deviations of the coarsest."""
    _pass(encoder.conv_encoder.feature_embed, [0], 1.0)
    levels, maps = [], cubes
    for halving in (_conv(encoder, name) for name in HALVINGS):
        rows = components(maps, halving.out_channels)
        # The root of 8 is divided out here and multiplied in `_back`: a smooth field then keeps its
        # size from level to level.
        kernel = torch.unflatten(rows, 1, (2, 2, 2)).movedim(4, 1) * CORNERS**-0.5
        # The last two of a kernel's three places cover the block; the first is its neighbour.
        halving.weight[: len(rows)] = 0
        halving.weight[: len(rows), : maps.shape[1], 1:, 1:, 1:] = kernel
        maps = F.conv3d(maps, kernel, stride=2)
        levels.append(rows)
    deviations = maps.square().mean((0, 2, 3, 4)).sqrt()
    mean, logvar = encoder.to_latent.weight.chunk(2)
    # Latents of unit variance, against which the divergence from the unit normal measures.
    mean[:, :, 0, 0, 0] = torch.diag(1 / deviations)
    logvar.zero_()
    assert encoder.to_latent.bias is not None
    nn.init.constant_(encoder.to_latent.bias[len(mean) :], LOG_VARIANCE)
    return levels, deviations


def _start_decoder(decoder: Decoder, levels: Sequence[Tensor], deviations: Tensor) -> None:
    """Initialise the decoder level by level; the coarsest components have unit variance."""
    input_count, scales = len(deviations), deviations
    for number, rows in enumerate(reversed(levels[2:])):
        body = f"transformer_decoder.upsamples.{number}.body"
        first, last = (_conv(decoder, f"{body}.{part}") for part in (0, 2))
        output_count = min(first.out_channels // CORNERS, rows.shape[2])
        first.weight.zero_()
        first.weight[: CORNERS * output_count, :input_count, 1, 1, 1] = (
            _back(rows, input_count, output_count) * scales
        )
        _pass(last, range(output_count), 1.0)
        input_count, scales = output_count, torch.ones(())
    _pass_layer_norm(decoder, input_count)
    for number, rows in enumerate(reversed(levels[:2])):
        weight = _conv(decoder, f"conv_decoder.upsampling_layers.{number}.linear_conv").weight
        output_count = rows.shape[2]
        weight[: CORNERS * output_count] = 0
        weight[: CORNERS * output_count, :input_count, 0, 0, 0] = _back(
            rows, input_count, output_count
        )
        input_count = output_count
    last = decoder.conv_decoder.decompress
    last.weight.zero_()
    _pass(last, [0], 1.0)


def _pass_layer_norm(decoder: Decoder, channel_count: int) -> None:
    """Pass the known channels through the LayerNorm with their amplitudes."""
    out = decoder.transformer_decoder.final_layer.out_proj
    width = out.out_channels
    empty, plus, minus = width - 3, width - 2, width - 1
    _conv(decoder, "transformer_decoder.upsamples.1.body.2").weight[empty:] = 0
    bias = decoder.get_parameter("transformer_decoder.decoder_levels.1.blocks.1.mlp.fc2.bias")
    bias[plus], bias[minus] = CONSTANT, -CONSTANT
    # Two of the `width` channels are CONSTANT and -CONSTANT: their standard deviation over
    # channels.
    divisor = CONSTANT * (2 / width) ** 0.5
    _pass(out, range(channel_count), divisor)
    out.weight[:channel_count, empty, 1, 1, 1] = -divisor  # adds the mean that was subtracted


def _conv(root: nn.Module, name: str) -> nn.Conv3d:
    layer = root.get_submodule(name)
    assert isinstance(layer, nn.Conv3d)
    return layer


def _pass(conv: nn.Conv3d, channels: Sequence[int], scale: float) -> None:
    """Make a convolution of kernel 3^3 pass channels unchanged, times a scale."""
    for channel in channels:
        conv.weight[channel] = 0
        conv.weight[channel, channel, 1, 1, 1] = scale


def _back(rows: Tensor, input_count: int, output_count: int) -> Tensor:
    """Return the map from components to cells before the shuffle, (8 * channel, component)."""
    cells: Tensor = rows[:input_count, :, :output_count].permute(2, 1, 0).flatten(0, 1)
    scale: float = CORNERS**0.5
    return scale * cells
