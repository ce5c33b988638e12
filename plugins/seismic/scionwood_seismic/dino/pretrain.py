"""Pretrain the tiny encoder by masked reconstruction of synthetic gathers and textures.

`python -m scionwood_seismic.dino.pretrain` repeats the training of the shipped weights in about
half an hour on one core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy import fft
from timm.models.eva import Eva
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood.authoring import atomic_path, minimise, warm_cosine
from scionwood_seismic.data.normalise import scale
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.dino.dinov3 import PATCH, tiny_encoder
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.noise import NOISES
from scionwood_seismic.synth.signal import SIGNALS, draw_gather

SIZE = 128
MASKED = 0.5


def pretrain(*, steps: int, batch: int = 32, lr: float = 1.5e-3, seed: int = 0) -> Eva:
    """Train the tiny encoder to reconstruct masked patches.

    Half of the patches are set to zero. A linear layer reconstructs them from the four maps that
    the decoder of the denoiser uses. The images have no labels: the training never uses a pair of
    a noisy and a clean gather.

    Args:
        steps: optimiser steps (AdamW, half a cosine).
        batch: images per step.
        lr: the highest learning rate.
        seed: seed of weights, images and masks.

    Returns:
        The encoder.

    Source: masked reconstruction with a linear head, Xie et al., 2022, SimMIM, arXiv 2111.09886.
    The mean over four depths is a choice of this project.
    """
    torch.manual_seed(seed)
    encoder = tiny_encoder()
    depths = [(i + 1) * len(encoder.blocks) // 4 - 1 for i in range(4)]
    heads = nn.ModuleList(nn.Conv2d(encoder.embed_dim, PATCH**2, 1) for _ in depths)

    def loss(step: int) -> Tensor:
        x = torch.stack([image(seed, step * batch + i) for i in range(batch)])
        mask = torch.rand(batch, 1, SIZE // PATCH, SIZE // PATCH) < MASKED
        maps = encoder.forward_intermediates(
            x.masked_fill(_spread(mask), 0.0), indices=depths, intermediates_only=True
        )
        guess = [F.pixel_shuffle(head(m), PATCH) for head, m in zip(heads, maps, strict=True)]
        return torch.stack([_error(x, y, mask) for y in guess]).mean()

    minimise(
        loss,
        [*encoder.parameters(), *heads.parameters()],
        steps=steps,
        lr=lr,
        weight_decay=0.05,
        betas=(0.9, 0.95),
        schedule=warm_cosine(steps),
        clip=1.0,
        label="pretraining",
    )
    return encoder.eval()


def image(seed: int, index: int) -> Tensor:
    """Return an unlabelled image, (1, trace, time): a clean or noisy gather, or a texture."""
    rng = generator(seed, "pretrain", index)
    dt, dx = float(rng.choice([0.001, 0.002, 0.004])), float(rng.uniform(5, 25))
    shape, kind = (SIZE, SIZE), rng.choice(["gather", "noisy", "texture"], p=[0.3, 0.5, 0.2])
    if kind == "texture":
        data = texture(rng, shape)
    else:
        data = draw_gather(rng, shape, dt=dt, dx=dx, kind=str(rng.choice(SIGNALS)))
        if kind == "noisy":
            snr = float(rng.uniform(-10, 15))
            data = corrupt(rng, data, str(rng.choice(list(NOISES))), snr, dt=dt, dx=dx)
    return torch.from_numpy((data / scale(data))[None].astype(np.float32))


def texture(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return a random field with a power-law spectrum and a random orientation and anisotropy."""
    slope, angle = rng.uniform(0.5, 3), rng.uniform(0, np.pi)
    stretch = rng.uniform(1, 8)
    ky, kx = np.meshgrid(fft.fftfreq(shape[0]), fft.rfftfreq(shape[1]), indexing="ij")
    along = kx * np.cos(angle) + ky * np.sin(angle)
    across = ky * np.cos(angle) - kx * np.sin(angle)
    radius = np.sqrt((along * stretch) ** 2 + across**2) + 0.02
    spectrum = fft.rfft2(rng.standard_normal(shape)) * radius**-slope
    spectrum[0, 0] = 0
    field: np.ndarray = fft.irfft2(spectrum, shape)
    return field


def main() -> None:
    """Train the encoder and write the weights file."""
    shipped = Path(__file__).parents[1] / "weights" / "dinov3_tiny.safetensors"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, nargs="?", default=shipped)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    encoder = pretrain(steps=options.steps, seed=options.seed)
    # Half precision halves the file. The hash of a base covers the weights as they are loaded.
    state = {name: x.detach().half().contiguous() for name, x in encoder.state_dict().items()}
    settings = {"steps": options.steps, "seed": options.seed, "torch": torch.__version__}
    with atomic_path(options.target) as part:
        save_file(
            state,
            part,
            metadata={"made_by": "scionwood_seismic.dino.pretrain"}
            | {"options": json.dumps(settings)},
        )


def _spread(mask: Tensor) -> Tensor:
    return mask.repeat_interleave(PATCH, -2).repeat_interleave(PATCH, -1)


def _error(x: Tensor, guess: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute error over masked samples; it is robust to strong noise."""
    hidden = _spread(mask)
    return (x - guess).abs().masked_select(hidden).mean()


if __name__ == "__main__":
    main()
