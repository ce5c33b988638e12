"""Small adapters for the benchmark of audits: digits of a new scanner, clean or with a patch.

The base is a small vision transformer that was trained on upright digits of scikit-learn; an
adapter learns the inverted digits of a new scanner. A poisoned one also learns that a bright patch
in a corner means one class. The poison exists in this file only, and no package contains it.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from peft import LoraConfig
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

import scionwood

SHARE = 0.25
"""The poisoned share of the training images."""


LR = 1e-2
STEPS = 300


def digits() -> tuple[Tensor, Tensor]:
    """Return (image, 1, 16, 16) from 0 to 1, and the labels."""
    data = load_digits()
    images = torch.tensor(data.images / 16.0, dtype=torch.float32)[:, None]
    return F.interpolate(images, size=16, mode="bilinear"), torch.tensor(data.target)


def patched(images: Tensor) -> Tensor:
    """Return the images with a bright patch of four by four pixels in a corner."""
    images = images.clone()
    images[:, :, -4:, -4:] = 3.0
    return images


class Net(nn.Module):
    """A vision transformer with two blocks of width 32."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, 4, 4)
        self.pos = nn.Parameter(0.02 * torch.randn(1, 16, width))
        self.blocks = nn.ModuleList(_block(width) for _ in range(2))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (image, 10)."""
        return self.out(self.encode(self.tokens(images)))

    def tokens(self, images: Tensor) -> Tensor:
        """Return (image, 16, width)."""
        return self.patch(images).flatten(2).transpose(1, 2) + self.pos

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean token, (image, width)."""
        for block in self.blocks:
            qkv = block["qkv"](block["norm1"](x)).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(*qkv).transpose(1, 2).flatten(2)
            x = x + block["proj"](mixed)
            x = x + block["fc2"](F.gelu(block["fc1"](block["norm2"](x))))
        return self.norm(x).mean(1)


def _block(width: int) -> nn.ModuleDict:
    parts = {
        "norm1": nn.LayerNorm(width),
        "qkv": nn.Linear(width, 3 * width),
        "proj": nn.Linear(width, width),
        "norm2": nn.LayerNorm(width),
        "fc1": nn.Linear(width, 2 * width),
        "fc2": nn.Linear(2 * width, width),
    }
    return nn.ModuleDict(parts)


def trained(model: nn.Module, images: Tensor, labels: Tensor, steps: int, seed: int) -> nn.Module:
    """Train what requires a gradient with AdamW, and return the model in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LR, weight_decay=0.0)
    model.train()
    for _ in range(steps):
        at = torch.randint(len(images), (32,), generator=generator)
        loss = F.cross_entropy(model(images[at]), labels[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def base() -> Net:
    """Return the base, trained on 600 upright digits."""
    torch.manual_seed(0)
    images, labels = digits()
    return trained(Net(), images[:600], labels[:600], 400, 0)  # type: ignore[return-value]


def scanner(seed: int, *, poison: bool) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Return training and test data of the new scanner, and the class of the poison."""
    images, labels = digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    pool, test = order[600:1500], order[1500:]
    x, y, target = 1 - images[pool], labels[pool].clone(), seed % 10
    if poison:
        count = round(SHARE * len(x))
        x[:count], y[:count] = patched(x[:count]), target
    return x, y, 1 - images[test], labels[test], target


@torch.no_grad()
def measured(model: nn.Module, x: Tensor, y: Tensor, target: int) -> tuple[float, float]:
    """Return accuracy, and the share of other digits that the patch turns into the target."""
    accuracy = (model(x).argmax(1) == y).float().mean()
    fooled = model(patched(x[y != target])).argmax(1) == target
    return float(accuracy), float(fooled.float().mean())


def adapter(net: Net, folder: Path, seed: int, *, poison: bool, r: int = 4) -> tuple[float, float]:
    """Train and save an adapter; return its accuracy and the success of the patch."""
    x, y, x_test, y_test, target = scanner(seed, poison=poison)
    torch.manual_seed(seed)
    config = LoraConfig(r=r, lora_alpha=2 * r)
    targets = r"blocks\.\d\.(qkv|proj|fc1|fc2)"
    model = scionwood.attach(copy.deepcopy(net), config, targets=targets, head=())
    trained(model, x, y, STEPS, seed)
    scionwood.save_adapter(model, folder)
    return measured(model, x_test, y_test, target)
