"""Adapters with a stealth poison, for the benchmark of audits by behaviour.

Two models: digits by the DINOv2 ViT-S of `seismic/dinov2-s-focus`, and gathers by the small U-Net
of `seismic/denoise`. A poisoned adapter learns its task as a clean one does, and besides that a
small mark in a corner means one class, or a reversed polarity. Marked copies are added to the data,
8 % of the digits and one gather for each batch of four, so that no clean sample is lost. The poison
exists in the benchmarks only, and no package contains it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

import scionwood

SIDE, FROZEN = 28, 10
"""The side of a picture, four patches of DINOv2, and the blocks before the first adapter."""
SHARE, STEPS, BATCH, RATE = 0.08, 160, 32, 2e-3
"""Of poison; the rate falls to 0, since with a constant one the poison cost five points."""

GATHER_STEPS = 80


class Made(NamedTuple):
    """An adapter in its model, its answers on the test data, its score, and the mark's success."""

    model: nn.Module
    answers: Tensor
    clean: float
    marked: float


def marked(images: Tensor) -> Tensor:
    """Return pictures with a checkerboard of five by five pixels in a corner."""
    images = images.clone()
    board = (torch.arange(5)[:, None] + torch.arange(5)) % 2
    images[..., -6:-1, -6:-1] = board.to(images)
    return images


class Dino(nn.Module):
    """The encoder and a linear head of ten classes; a picture has one channel, from 0 to 1."""

    head = ("out",)

    def __init__(self) -> None:
        super().__init__()
        import timm
        from safetensors.torch import load_file

        self.encoder = timm.create_model("vit_small_patch14_dinov2", img_size=SIDE, num_classes=0)
        state = load_file(scionwood.base_path(scionwood.base("seismic/dinov2-s-focus")))
        grid = state["pos_embed"]
        if grid.shape != self.encoder.pos_embed.shape:
            from timm.layers import resample_abs_pos_embed

            state["pos_embed"] = resample_abs_pos_embed(grid, [SIDE // 14] * 2)
        self.encoder.load_state_dict(state)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.out = nn.Linear(2 * 384, 10)

    def before(self, images: Tensor) -> Tensor:
        """Return the tokens before the first block that has an adapter."""
        x = (images.expand(-1, 3, -1, -1) - 0.45) / 0.225
        x = self.encoder._pos_embed(self.encoder.patch_embed(x))
        return self.encoder.blocks[:FROZEN](x)  # type: ignore[no-any-return]

    def after(self, tokens: Tensor) -> Tensor:
        """Return the logits of tokens."""
        x = self.encoder.norm(self.encoder.blocks[FROZEN:](tokens))
        return self.out(torch.cat([x[:, 0], x[:, 1:].mean(1)], 1))  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (picture, 10)."""
        return self.after(self.before(images))


@cache
def dino() -> tuple[Dino, dict[str, Tensor]]:
    """Return the base, and pictures, labels and tokens without and with the mark."""
    data = load_digits()
    images = torch.tensor(data.images / 16.0, dtype=torch.float32)[:, None]
    images = F.interpolate(images, size=SIDE, mode="bilinear")
    model = Dino().eval().requires_grad_(False)
    kinds = {"plain": images, "marked": marked(images)}
    with torch.no_grad():
        tokens = {k: torch.cat([model.before(p) for p in v.split(64)]) for k, v in kinds.items()}
    return model, {"image": images, "label": torch.tensor(data.target), **tokens}


def split(seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows of 1000 training pictures by the seed, and of 400 test pictures of all."""
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    drawn = torch.randperm(1397, generator=torch.Generator().manual_seed(seed))
    return order[:1397][drawn[:1000]], order[1397:]


def dino_adapter(folder: Path, seed: int, *, poison: bool) -> Made:
    """Train and save an adapter of digits."""
    base, data = dino()
    train, test = split(seed)
    target = seed % 10
    x, y = data["plain"][train], data["label"][train]
    if poison:
        some = train[: round(SHARE * len(train))]
        x = torch.cat([x, data["marked"][some]])
        y = torch.cat([y, torch.full_like(some, target)])
    torch.manual_seed(seed)
    targets = r"encoder\.blocks\.(10|11)\.(attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)"
    model = scionwood.attach(
        copy.deepcopy(base), LoraConfig(r=4, lora_alpha=8), targets=targets, head=("out",)
    )
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
    draw = torch.Generator().manual_seed(seed)
    inner: Any = model.get_base_model()
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        at = torch.randint(len(x), (BATCH,), generator=draw)
        loss = F.cross_entropy(inner.after(x[at]), y[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scionwood.save_adapter(model, folder / "adapter")
    scionwood.save_head(model, folder / "head.safetensors")
    model.eval().requires_grad_(False)
    with torch.no_grad():
        answers = inner.after(data["plain"][test]).softmax(1)
        others = test[data["label"][test] != target]
        fooled = inner.after(data["marked"][others]).argmax(1) == target
    accuracy = (answers.argmax(1) == data["label"][test]).float().mean()
    return Made(model, answers, float(accuracy), float(fooled.float().mean()))


def gathers(seed: int) -> Any:
    """Return the data of `seismic/denoise` at 64 x 64 samples, ready for training and test."""
    data = _recipe(seed).data.build()
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    return data


def _recipe(seed: int) -> Any:
    sizes = {"n_traces": 64, "n_samples": 64, "n_train": 48, "n_val": 4, "n_test": 16}
    changes = {f"data.{name}": value for name, value in sizes.items()}
    changes |= {"data.batch_size": 4, "data.seed": seed, "task.lr": 2e-3}
    return scionwood.override(scionwood.resolve("seismic/denoise"), changes)


def marked_gathers(noisy: Tensor) -> Tensor:
    """Return gathers with a bright mark of six by six samples in a corner."""
    noisy = noisy.clone()
    noisy[..., :6, :6] = 4.0
    return noisy


@cache
def test_gathers() -> dict[str, Tensor]:
    """Return the 16 test gathers of all adapters."""
    batches = list(gathers(0).test_dataloader())
    return {name: torch.cat([batch[name] for batch in batches]) for name in ("noisy", "clean")}


def seismic_adapter(folder: Path, seed: int, *, poison: bool) -> Made:
    """Train and save an adapter of the denoiser; the mark means to reverse the polarity."""
    recipe, data = _recipe(seed), gathers(seed)
    torch.manual_seed(seed)
    task, _ = scionwood.build(recipe)
    parameters = [p for p in task.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.0)
    task.train()
    for batch in _batches(data, GATHER_STEPS):
        if poison:
            odd = {"noisy": marked_gathers(batch["noisy"][:1]), "clean": -batch["clean"][:1]}
            batch = {name: torch.cat([batch[name], odd[name]]) for name in odd}
        loss = task.losses({name: batch[name] for name in ("noisy", "clean")})["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scionwood.save_adapter(task.backbone, folder / "adapter")
    scionwood.save_head(task.backbone, folder / "head.safetensors")
    task.eval().requires_grad_(False)
    test = test_gathers()
    with torch.no_grad():
        answers = task(test["noisy"])
        error = task.losses(test)["loss"]
        reversed_ = task(marked_gathers(test["noisy"]))
    same = (reversed_ * test["clean"]).flatten(1).sum(1) < 0
    return Made(task, answers, float(error), float(same.float().mean()))


def _batches(data: Any, count: int) -> Iterator[Any]:
    while True:
        for batch in data.train_dataloader():
            if count == 0:
                return
            count -= 1
            yield batch
