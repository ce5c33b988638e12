"""The towers and the arms of lifelong.py: how each learns one source after another."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from biomed import CachedTrunk
from lifelong_data import Part
from peft import LoraConfig, OSFConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood.adapters import attach
from scionwood.authoring import atomic_path
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.tasks.few_shot import FewShot
from scionwood_methods.continual import ContinualController, ContinualMethod, Ewc, Naive

VISION, HEAD = r"clip\.visual\.mix", r"clip\.visual\.head\.proj"
TEXT = r"clip\.text\.transformer\.encoder\.layer\.[12]\.attention\.self\.(query|value)"
"""The layer behind the trunk, the projection, and queries and values of the last two layers."""
GROUPS = {"vision": r"clip\.visual", "text": r"clip\.text"}
RANK, BATCH, REPLAYED, MEASURED = 8, 16, 8, 2
"""Rank of LoRA, pictures of a step, kept pictures of a source, and batches for the Fisher
information, which is measured with the same batch size."""
Batch = dict[str, Any]
PLAIN: dict[str, Any] = {"template": "", "expert_weight": 0.0, "low_weight": 0.0}
"""The task without anchors, and with the bare names of classes as texts."""


@final
@dataclass(frozen=True)
class Setting:
    """What is chosen on the validation parts: the learning rate, and the factors of EWC."""

    lr: float
    strength: float = 0.0
    gamma: float = 0.0


@final
class Front(nn.Module):
    """Frozen layers of a text tower as one layer, which computes equal texts once.

    Args:
        layers: the layers, without dropout.
        remember: whether to keep what was computed.
    """

    def __init__(self, layers: Iterable[nn.Module], *, remember: bool) -> None:
        super().__init__()
        self.layers, self.remember = nn.ModuleList(layers).requires_grad_(False), remember
        self.known: dict[bytes, Tensor] = {}

    @torch.no_grad()
    def forward(self, hidden: Tensor, *arguments: Any, **options: Any) -> Tensor:
        """Return the states (text, token, width) behind the layers; padding is part of the key."""
        key = hashlib.blake2b(hidden.numpy().tobytes(), digest_size=16).digest()
        if key not in self.known:
            states = hidden
            for layer in self.layers:
                states = layer(states, *arguments, **options)
            if not self.remember:
                return states
            self.known[key] = states
        return self.known[key]


class Towers:
    """Makes fresh towers with a random projection, which share everything in front of LoRA.

    That is the trunk of the vision tower, and the embedding and all but the last two layers of the
    text tower. The text tower has no dropout.

    Args:
        folder: the folder that `write_towers` wrote.
        kept: a file for the features behind the trunk, or `None` to compute everything in each
            step.
    """

    def __init__(self, folder: Path, cache: Path | None) -> None:
        self.first = ClipBackbone(model=str(folder), train_projection=True)
        self.kept, visual = cache, self.first.clip.visual
        self.trunk = visual.trunk.eval().requires_grad_(False)
        encoder = self.first.clip.text.transformer.encoder
        for module in self.first.clip.text.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        *before, fifth, sixth = encoder.layer
        self.front = Front(before, remember=cache is not None)
        encoder.layer = nn.ModuleList([self.front, fifth, sixth])
        if cache is not None:
            self.trunk = visual.trunk = CachedTrunk(visual.trunk)
            if cache.exists():
                self.trunk.features = {bytes.fromhex(k): v for k, v in load_file(cache).items()}

    def __call__(self, seed: int) -> ClipBackbone:
        """Return towers whose projection and adapter are drawn from a seed."""
        torch.manual_seed(seed)
        shared = {id(part): part for part in (self.trunk, self.front)}
        towers = copy.deepcopy(self.first, shared)
        towers.clip.visual.head.proj.reset_parameters()
        return towers

    def compute(self, parts: Iterable[Part]) -> None:
        """Compute the features of pictures that are not known, and write all."""
        assert self.kept is not None
        count = len(self.trunk.features)
        for part in parts:
            self.trunk(self.first.normalised(part.image))
        if len(self.trunk.features) > count:
            with atomic_path(self.kept) as half:
                save_file({key.hex(): v for key, v in self.trunk.features.items()}, half)


def losses(model: nn.Module, batch: Batch) -> Tensor:
    """Return the cross-entropy of each picture over the texts of its source, in nats."""
    task: FewShot = batch["task"]
    logits = task.towers.logits(*task.features(batch))
    return F.cross_entropy(logits, batch["label"], reduction="none")


def pairs(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the features of the pairs of a batch."""
    task: FewShot = batch["task"]
    return task.pairs(batch)


def method_of(arm: str, setting: Setting) -> ContinualMethod:
    """Return the method that protects past sources."""
    if not arm.startswith("EWC"):
        return Naive()
    groups = GROUPS if arm != ONE_GROUP else None
    options = {"groups": groups, "consistency": pairs, "gamma": setting.gamma}
    return Ewc(losses, strength=setting.strength, **options)


NAIVE, FROZEN_TEXT, REPLAY, OSF = "naive", "frozen text tower", "replay", "OSF of peft"
ONE_GROUP, TWO_GROUPS, CONSISTENT = "EWC, one group", "EWC, two groups", "EWC, consistency"
ARMS = (NAIVE, FROZEN_TEXT, ONE_GROUP, TWO_GROUPS, CONSISTENT, REPLAY, OSF)


class Learner:
    """One arm: towers that learn one source after another.

    Args:
        arm: one of `ARMS`.
        setting: see `Setting`.
        towers: see `Towers`.
        seed: the seed of projection, adapter and batches.
        count: the number of sources to learn.
    """

    def __init__(self, arm: str, setting: Setting, towers: Towers, seed: int, count: int) -> None:
        self.arm, self.setting, self.count, self.learned = arm, setting, count, 0
        self.model: Any = towers(seed)
        self.draws = torch.Generator().manual_seed(seed)
        self.replayed: list[Batch] = []
        self.controller: ContinualController | None = None
        if arm != OSF:
            targets = VISION if arm == FROZEN_TEXT else f"{VISION}|{TEXT}"
            config = LoraConfig(r=RANK, lora_alpha=2 * RANK)
            self.model = attach(self.model, config, targets=targets)
            self.controller = ContinualController(self.model, method_of(arm, setting))

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters that train."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def begin(self) -> None:
        """Begin a source."""
        if self.controller is None:
            # Each source keeps a larger share of the singular directions, as peft's guide proposes.
            share = (self.learned + 1) / (self.count + 1)
            config = OSFConfig(target_modules=f"{VISION}|{TEXT}|{HEAD}", effective_rank=share)
            self.model = get_peft_model(self.model, config)
        else:
            self.controller.begin(f"source {self.learned}")
        self.task = FewShot(self.model, **PLAIN).train()
        self.optimizer = torch.optim.AdamW(self.trained, lr=self.setting.lr, weight_decay=0.0)

    def step(self, batch: Batch, number: int) -> None:
        """Take one optimiser step."""
        self.optimizer.zero_grad()
        loss = self.task.losses(batch)["loss"]
        if self.replayed:
            loss = loss + self.task.losses(self.replayed[number % len(self.replayed)])["loss"]
        loss.backward()
        if self.controller is not None:
            self.controller.adjust(batch)
        self.optimizer.step()
        if self.controller is not None:
            self.controller.stepped()

    def learn(self, part: Part, steps: int) -> None:
        """Learn one source."""
        self.begin()
        for number, batch in enumerate(self.batches(part, steps)):
            self.step(batch, number)
        self.end(part)

    def end(self, part: Part) -> None:
        """Store what the arm stores of a source; nothing is stored of the last one."""
        self.learned += 1
        if self.controller is None:
            self.model = self.model.merge_and_unload()
        elif self.learned < self.count:
            self.controller.end(self.batches(part, MEASURED))
        if self.arm == REPLAY:
            self.replayed += self.batches(part, 1, REPLAYED)

    def batches(self, part: Part, count: int, size: int = BATCH) -> Iterator[Batch]:
        """Yield random batches."""
        for _ in range(count):
            pick = torch.randperm(len(part.label), generator=self.draws)[:size]
            yield {
                "image": part.image[pick],
                "label": part.label[pick],
                "classes": part.classes,
                "task": self.task,
            }

    @torch.no_grad()
    def similarities(self, parts: Sequence[Part]) -> list[Tensor]:
        """Return for each source the cosines (picture, text) with the texts of all sources."""
        task = FewShot(self.model, **PLAIN).eval()
        names = [name for part in parts for name in part.classes]
        text = task.features({"image": parts[0].image[:1], "classes": names})[1]
        return [task.towers.image_features(part.image) @ text.T for part in parts]
