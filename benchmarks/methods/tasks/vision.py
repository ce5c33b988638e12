"""Vision: a small ViT that knows scikit-learn's digits learns to read them turned by 90 degrees."""

from __future__ import annotations

from typing import Literal, final

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from methods.tasks import Part, Scores, Task, pretrain

BATCH = 32
Data = tuple[Tensor, Tensor]


@final
class Digits(Task):
    """Images of 8 x 8 pixels; the base task and the new one share no image."""

    metric = "accuracy"
    higher = True
    reference = "lora/r4"
    head = "head."

    def __init__(self, *, quick: bool) -> None:
        bunch = load_digits()
        order = torch.randperm(len(bunch.target), generator=torch.Generator().manual_seed(0))
        x = torch.tensor(bunch.images, dtype=torch.float32)[order, None] / 16
        y = torch.tensor(bunch.target)[order]
        cuts = torch.tensor([800, 1100, 1300])
        parts = list(zip(x.tensor_split(cuts), y.tensor_split(cuts), strict=True))
        self.data: dict[str, dict[str, Data]] = {
            "base": dict(zip(("train", "valid", "test"), (parts[0], *parts[2:]), strict=True)),
            "new": {
                part: (images.rot90(1, (2, 3)), classes)
                for part, (images, classes) in zip(
                    ("train", "valid", "test"), parts[1:], strict=True
                )
            },
        }
        torch.manual_seed(0)
        steps = 4 if quick else 800
        network = VisionTransformer(
            img_size=8,
            patch_size=2,
            in_chans=1,
            num_classes=10,
            embed_dim=64,
            depth=4,
            num_heads=4,
            mlp_ratio=2,
        )
        self.base = pretrain(network, self._draw("base", 0, steps), self.loss, 2e-3, steps)

    def batches(self, seed: int, count: int) -> list[Data]:
        return self._draw("new", seed, count)

    def loss(self, model: nn.Module, batch: Data) -> Tensor:
        return F.cross_entropy(model(batch[0]), batch[1])

    @torch.no_grad()
    def evaluate(self, model: nn.Module, what: Literal["base", "new"], part: Part) -> Scores:
        x, y = self.data[what][part]
        logits = model.eval()(x)
        right = (logits.argmax(1) == y).float().mean()
        return {"loss": float(F.cross_entropy(logits, y)), "accuracy": float(right)}

    def _draw(self, what: str, seed: int, count: int) -> list[Data]:
        x, y = self.data[what]["train"]
        generator = torch.Generator().manual_seed(seed)
        picks = torch.randint(len(y), (count, BATCH), generator=generator)
        return [(x[pick], y[pick]) for pick in picks]
