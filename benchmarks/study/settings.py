"""The registered settings, and the runs: important ones first, so that a piece is a study."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from scionwood.authoring import atomic_path

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


MAIN, OTHERS = ("lora", "full"), ("dora", "ia3", "bitfit", "disel")
LONG, MINUTE = ("lora_long", "full_long"), ("lora_minute", "full_minute")
LAST_METHODS = ("last_block", "loft", "smoa", "gpart")
CHOOSING = ("p2d_heads", "peml")
DENSE = ("pixels", "linear", "unet", "lora", "ia3", "full")
TASKS = ("noise", "pneumonia", "mni")
IMAGES = ("raw", "class_mean", "regression", "last_lda", "block_lda", "untrained")
"""Methods on frozen features."""
TWINS = ("regression", "block_lda")
"""Those of them that run on random weights too."""
FEW, MORE = range(3), range(3, 5)
ALL, MIDDLE, LATER = (0, 1, 2), (1,), (1, 2)
"""Sizes by their number in the settings."""


def planned() -> list[Run]:
    runs = [*_frozen(IMAGES, "real", range(5)), *_trained(MAIN, (0, 1), ALL)]
    runs += [*_trained(LONG, (0,), LATER), *_trained(MINUTE, (0,), (2,), (*TASKS, "photos"))]
    runs += [*_trained(OTHERS, (0,), MIDDLE), *_trained(MAIN, (2,), ALL)]
    runs += [*_trained(LONG, (1,), LATER), *_trained(OTHERS, (1, 2), MIDDLE)]
    runs += [*_trained(("cnn",), FEW, ALL), *_frozen(TWINS, "random", FEW)]
    runs += [*_trained(("lora",), FEW, LATER, base="random"), *_text(MAIN, FEW)]
    runs += [*_trained(MAIN, FEW, ALL, ("photos",)), *_trained(LAST_METHODS, FEW, MIDDLE)]
    runs += [*_trained(MINUTE, (1,), (2,), (*TASKS, "photos")), *_trained(LONG, (2,), LATER)]
    runs += [*_trained(MAIN, MORE, ALL), *_trained(OTHERS, MORE, MIDDLE)]
    runs += [*_text(OTHERS, FEW), *_text(MAIN, MORE), *_trained(MINUTE, (2,), (2,))]
    runs += [*_trained(("full",), FEW, LATER, base="random"), *_trained(("scratch",), FEW, (2,))]
    runs += [*_trained(CHOOSING, FEW, MIDDLE), *_dense()]
    return list(dict.fromkeys([*runs, *_curve()]))


def _dense() -> Iterator[Run]:
    """Yield the runs of the dense task: real weights first, then two methods on random ones."""
    dense = registered()["dense"]
    for base, methods in (("real", DENSE), ("random", ("linear", "lora"))):
        for draw in range(dense["draws"]):
            for task, pool in dense["tasks"].items():
                for n in pool["sizes"]:
                    yield from (Run(task, base, method, n, draw) for method in methods)


def _frozen(methods: Sequence[str], base: str, draws: Sequence[int]) -> Iterator[Run]:
    """Yield methods on frozen features at the sizes of the trained ones."""
    for task, pool in registered()["images"]["tasks"].items():
        for shots in pool["shots"]:
            for method in methods:
                yield from (Run(task, base, method, shots * pool["classes"], d) for d in draws)


def _curve() -> Iterator[Run]:
    """Yield methods on frozen features at the other sizes; three draws of many images."""
    images = registered()["images"]
    for task, pool in images["tasks"].items():
        for shots in images["frozen_shots"]:
            n = shots * pool["classes"]
            if shots <= pool.get("most", pool["train"]):
                draws = range(images["draws"]) if n < 1000 else FEW
                yield from (Run(task, "real", m, n, draw) for m in IMAGES for draw in draws)


def _trained(
    methods: Sequence[str],
    draws: Sequence[int],
    sizes: Sequence[int],
    tasks: Sequence[str] = TASKS,
    base: str = "real",
) -> Iterator[Run]:
    pools = registered()["images"]["tasks"]
    for draw in draws:
        for size in sizes:
            for task in tasks:
                pool = pools[task]
                for method in methods:
                    yield Run(task, base, method, pool["shots"][size] * pool["classes"], draw)


def _text(methods: Sequence[str], draws: Sequence[int]) -> Iterator[Run]:
    """Yield runs of the texts: the main methods at all sizes, the others at the middle one."""
    text = registered()["text"]
    sizes = text["sizes"] if methods == MAIN else [text["tuned"]]
    for draw in draws:
        for n in sizes:
            for task in text["tasks"]:
                for method in ("untouched", "ngram", *methods):
                    yield Run(task, "real", method, n, draw)


def cached_tensors(path: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors of a file, which `make` computes if the file is not there yet."""
    if not path.is_file():
        tensors = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            save_file(tensors, part)
    return load_file(path)
