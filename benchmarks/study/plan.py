"""The runs of the study, the most important ones first, so that a piece is a study too."""

from __future__ import annotations

from collections.abc import Iterator

from study.settings import Run, registered

MAIN, OTHERS, REST = ("lora", "full"), ("dora", "ia3", "bitfit", "disel"), ("loft", "smoa", "gpart")
IMAGES = ("raw", "class_mean", "regression", "last_lda", "block_lda")
"""Methods on frozen features."""
FEW, MORE = range(3), range(3, 5)


def planned() -> list[Run]:
    """Return all runs."""
    first = [*_frozen("trained"), *_text(FEW), *_images()]
    return list(dict.fromkeys([*first, *_text(MORE), *_frozen("curve")]))


def _frozen(sizes: str) -> Iterator[Run]:
    """Yield the frozen methods at the sizes of the trained ones, or at the others (`curve`)."""
    images = registered()["images"]
    for task, pool in images["tasks"].items():
        more = [n for n in images["frozen_shots"] if n <= pool["train"] and n not in pool["shots"]]
        bases = ("real", "random") if sizes == "trained" else ("real",)
        for base in bases:
            for shots in pool["shots"] if sizes == "trained" else more:
                draws = range(images["draws"]) if shots * pool["classes"] < 1000 else FEW
                for method in IMAGES:
                    if base == "real" or method != "raw":
                        n = shots * pool["classes"]
                        yield from (Run(task, base, method, n, draw) for draw in draws)


def _images() -> Iterator[Run]:
    yield from _trained(MAIN, FEW, (0, 1, 2))
    yield from _trained(OTHERS, FEW, (1,))
    yield from _trained(("cnn",), FEW, (0, 1, 2))
    yield from _trained(("lora",), FEW, (1, 2), base="random")
    yield from _trained(MAIN, MORE, (0, 1, 2))
    yield from _trained(OTHERS, MORE, (1,))
    yield from _trained(("last_block", *REST), FEW, (1,))
    yield from _trained(("full",), FEW, (1, 2), base="random")
    yield from _trained(("scratch",), FEW, (2,))


def _trained(
    methods: tuple[str, ...], draws: range, sizes: tuple[int, ...], base: str = "real"
) -> Iterator[Run]:
    tasks = registered()["images"]["tasks"]
    for draw in draws:
        for size in sizes:
            for task, pool in tasks.items():
                for method in methods:
                    yield Run(task, base, method, pool["shots"][size] * pool["classes"], draw)


def _text(draws: range) -> Iterator[Run]:
    text = registered()["text"]
    for draw in draws:
        for n in text["sizes"]:
            for task in text["tasks"]:
                for method in ("untouched", "ngram", "lora", "full"):
                    yield Run(task, "real", method, n, draw)
        for task in text["tasks"]:
            for method in ("dora", "ia3", "disel"):
                yield Run(task, "real", method, text["tuned"], draw)
