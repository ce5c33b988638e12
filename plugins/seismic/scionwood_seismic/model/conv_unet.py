"""A plain convolutional U-Net, trained from scratch, for comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 16


class ConvUNet(nn.Module):
    """A residual U-Net with five levels and group normalisation.

    Args:
        width: channels at full resolution; they double at each level.
    """

    multiple = STRIDE
    """Gathers are padded to a multiple of this number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        inputs = [1, *widths[:-1]]
        self.down = nn.ModuleList(_block(i, o) for i, o in zip(inputs, widths, strict=True))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, 2) for i, o in pairs)
        self.up = nn.ModuleList(_block(2 * o, o) for _, o in pairs)
        self.out = nn.Conv2d(width, 1, 1)
        self.adapter_targets = {"conv": r"(down|up)\.\d+\.[03]"}
        self.head = ("out",)
        self.card = {
            "architecture": f"residual U-Net, width {width}",
            "weights": "random, seeded",
            "licence": "none (random weights)",
        }

    def forward(self, x: Tensor, mask: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Denoise (batch, 1, trace, time) of about unit amplitude and any size.

        Outside of a mask of the same shape the result is zero. The noise level is not used.
        """
        traces, times = x.shape[-2:]
        pad = (0, -times % STRIDE, 0, -traces % STRIDE)
        h = F.pad(x, pad, mode="replicate") if any(pad) else x
        skips = []
        for depth, block in enumerate(self.down):
            h = block(h if depth == 0 else F.max_pool2d(h, 2))
            skips.append(h)
        for grow, block, skip in zip(self.grow, self.up, skips[-2::-1], strict=True):
            h = block(torch.cat([grow(h), skip], 1))
        noise: Tensor = self.out(h)[..., :traces, :times]
        return x - noise if mask is None else (x - noise) * mask

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two gathers of 32 traces and 48 samples."""
        return (torch.randn(2, 1, 32, 48, generator=torch.Generator().manual_seed(0)),)


def conv_unet(*, width: int = 14, init_seed: int = 0) -> ConvUNet:
    """Build a convolutional U-Net with random weights; train it with `adapter: full`.

    Args:
        width: channels at full resolution; 14 gives about as many parameters as `size: tiny`.
        init_seed: seed of the weights.

    Shapes: (batch, 1, trace, time) float32 in and out, of any size.

    Units: amplitudes divided by `normalise.scale`, in and out.

    Source: Ronneberger et al., 2015, U-Net, arXiv 1505.04597, with a residual output (Zhang et
    al., 2017, doi 10.1109/TIP.2017.2662206).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        network = ConvUNet(width)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]  # not in the stubs
    return network


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.GroupNorm(2, outputs), nn.GELU()]
    return nn.Sequential(*layers)
