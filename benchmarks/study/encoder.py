"""The encoder in two halves: blocks whose tokens are cached, and the tail that methods adapt."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from study import weights
from study.pictures import PARTS, SIDE, TASKS
from study.settings import cached_tensors, registered

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
BATCH = 64


@final
class Tail(nn.Module):
    """The last blocks of the encoder and its norm.

    Shapes: tokens (batch, 50, 384) in; `forward` returns (batch, 768), the class token and the mean
    of the others after the norm, of unit length.
    """

    def __init__(self, model: VisionTransformer, blocks: int, probe: Tensor | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(list(model.blocks)[-blocks:])
        self.norm = model.norm
        self.probe = probe

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the features of the last layer."""
        return self.every(tokens)[-1]

    def every(self, tokens: Tensor) -> list[Tensor]:
        """Return the pooled output of each block, then the features of the last layer."""
        blocks_seen = []
        for block in self.blocks:
            tokens = block(tokens)
            blocks_seen.append(pooled(tokens))
        last = self.norm(tokens)
        return [
            *blocks_seen,
            F.normalize(torch.cat([last[:, 0], last[:, 1:].mean(1)], 1).float(), dim=-1),
        ]

    def example_input(self) -> tuple[Tensor, ...]:
        """Return the tokens of photographs, on which a diagnosis measures the drift."""
        assert self.probe is not None
        return (self.probe,)


def pooled(tokens: Tensor) -> Tensor:
    """Return (batch, 1152) of unit length: class token, mean and deviation of the others."""
    tokens = tokens.float()
    patches = tokens[:, 1:]
    parts = [tokens[:, 0], patches.mean(1), (patches.var(1, correction=0) + 1e-12).sqrt()]
    return F.normalize(torch.cat(parts, 1), dim=-1)


def pixels(image: np.ndarray) -> Tensor:
    """Return (image, 3, 98, 98), normalised as DINOv2 expects, of grey images from 0 to 1."""
    return (torch.from_numpy(image)[:, None].expand(-1, 3, -1, -1) - MEAN) / STD


@torch.no_grad()
def split(model: VisionTransformer, image: Tensor, blocks: int) -> tuple[Tensor, list[Tensor]]:
    """Return the tokens before the tail, and the pooled output of each block before it."""
    with torch.autocast("cpu", torch.bfloat16):
        tokens = model._pos_embed(model.patch_embed(image))
        early = []
        for block in list(model.blocks)[:-blocks]:
            tokens = block(tokens)
            early.append(pooled(tokens))
    return tokens.to(torch.bfloat16), early


def cached(
    task: str, base: str, work: Path, onnx: Path | None, pneumonia: Path | None
) -> dict[str, Tensor]:
    """Return what every run of a task starts from, computed once and kept in the work folder.

    Keys, for each part: `train.tokens` (image, 50, 384) before the tail, `train.blocks` (image, 12,
    1152), `train.last` (image, 768), `train.image` (image, 98, 98) and `train.label`.

    Raises:
        PluginError: the package of the weights is not installed.
        WeightsError: it is another one.
        ReadError: the task's file is missing.
    """

    def make() -> dict[str, Tensor]:
        settings = registered()["images"]
        model = weights.encoder(onnx if base == "real" else None, SIDE)
        tail = Tail(model, settings["tail"])
        pools = TASKS[task]({part: settings["tasks"][task][part] for part in PARTS}, pneumonia)
        results: dict[str, Tensor] = {}
        for part, pool in pools.items():
            halves = [
                split(model, item, settings["tail"]) for item in pixels(pool.image).split(BATCH)
            ]
            results[f"{part}.tokens"] = torch.cat([tokens for tokens, _ in halves])
            early = torch.cat([torch.stack(e, 1) for _, e in halves])
            *late, results[f"{part}.last"] = features(tail, results[f"{part}.tokens"].float())
            results[f"{part}.blocks"] = torch.cat([early, torch.stack(late, 1)], 1).half()
            results[f"{part}.image"] = torch.from_numpy(pool.image)
            results[f"{part}.label"] = torch.from_numpy(pool.label)
        return results

    return cached_tensors(work / f"{task}-{base}.safetensors", make)


@torch.no_grad()
def features(tail: Any, tokens: Tensor) -> list[Tensor]:
    """Return the pooled output of each block of a tail, and the features of its last layer."""
    network = tail.get_base_model() if hasattr(tail, "get_base_model") else tail
    with torch.autocast("cpu", torch.bfloat16):
        blocks = [network.every(part) for part in tokens.split(BATCH)]
    return [torch.cat(part) for part in zip(*blocks, strict=True)]
