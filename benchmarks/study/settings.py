"""The registered settings, and the keys by which runs are told apart."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
import yaml
from torch import Tensor

FILE = Path(__file__).parent / "registered.yaml"


@cache
def registered() -> dict[str, Any]:
    """Return what `registered.yaml` says."""
    settings: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return settings


def kind_of(task: str) -> str:
    """Return the section of the settings that has a task: images, dense or text."""
    return next(
        (kind for kind in ("dense", "text") if task in registered()[kind]["tasks"]), "images"
    )


@final
class Run(NamedTuple):
    """One run.

    Attributes:
        task: photos, mni, ...
        base: real or random weights.
        method: a key of `methods` or `frozen` of the settings, or `ngram` and `untouched` of texts.
        n: training examples in all.
        draw: the number of the draw, which is also its seed.
    """

    task: str
    base: str
    method: str
    n: int
    draw: int

    def places(self, count: int) -> Tensor:
        """Return the places of its training examples among `count`, (n,) int64."""
        return torch.randperm(count, generator=torch.Generator().manual_seed(self.draw))[: self.n]

    @property
    def settings(self) -> str:
        """A short hash of the registered settings on which the run depends."""
        all_ = registered()
        kind = kind_of(self.task)
        general = {k: v for k, v in all_[kind].items() if k not in ("draws", "tasks", "sizes")}
        method = all_["methods"].get(self.method) or all_["frozen"].get(self.method)
        text = json.dumps([general, method], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]
