"""Learn four sources of real pictures one after another with one pair of towers.

    pip install -e 'plugins/biomed[bench]' -e plugins/methods
    python benchmarks/lifelong.py

The towers are EfficientNet-Lite0 and MiniLM-L6 of biomed_towers.py. The trunk of the vision tower
stays as it is. LoRA adapts the layer behind it and the queries and values of the last two layers of
the text tower, and the random projection between both trains. OSF of peft adapts the same layers
and the projection. The sources are those of lifelong_data.py, in the order
of `ORDER`; a picture gets the class of its source whose text, the bare name, is nearest.

Rules, committed before any arm ran on a test part. Everything is chosen on the validation parts,
with the sources in reverse order and seed 100:

- The learning rate of `naive` has the best recall at the end. All arms with LoRA use it. OSF
  chooses its own rate in the same way.
- The strength of EWC with two groups has the best recall at the end; EWC with one group and EWC
  with consistency use it too, because weights that are divided by the mean of F have one scale.
- Gamma gives the least drift among those that lose at most one point of new accuracy to EWC with
  two groups; the smallest gamma if none does.

Then seeds 0, 1 and 2 of every arm run on the test parts. The measures:

- new accuracy: of each source but the first, right after it was learned, the mean;
- old accuracy: of each source but the last, at the end, the mean;
- recall: the share of pictures of all sources whose own text is the nearest of the texts of all
  sources at the end, the mean over sources;
- drift: the root mean square change of the cosines between the pictures of a source and its texts,
  from right after it was learned to the end; the mean over all sources but the last.

The time of a step is measured apart, with whole towers, in the second source: blocks of steps of
all arms in turn, and the median over blocks. Results in the working folder are not computed again.
The script writes lifelong.csv and lifelong_step.csv.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple, final

import torch
from biomed import RESULTS, provenance, write
from biomed_towers import write_towers
from lifelong_arms import (
    ARMS,
    CONSISTENT,
    NAIVE,
    ONE_GROUP,
    OSF,
    TWO_GROUPS,
    Learner,
    Setting,
    Towers,
)
from lifelong_data import ORDER, Part, read_source, write_sources
from runner import Row, option, parsed, remembered
from torch import Tensor
from torch.nn import functional as F

RATES, OSF_RATES = (1e-3, 3e-3), (3e-4, 1e-3)
STRENGTHS, GAMMAS = (1.0, 10.0, 100.0), (10.0, 100.0, 1000.0)
SEEDS, TUNING = (0, 1, 2), 100
STEPS = 30
ZERO_SHOT, CLASS_MEANS = "frozen, zero-shot", "frozen, class means"
BLOCKS, BLOCK = 2, 8
"""Blocks of steps that are timed, and steps of a block: one period of the consistency term."""
Source = dict[str, Part]


@final
class Bench(NamedTuple):
    """What every run needs.

    Attributes:
        work: the folder of the results so far.
        sources: the parts of each source by name.
        towers: the towers, with a trunk that remembers.
        steps: optimiser steps on each source.
    """

    work: Path
    sources: dict[str, Source]
    towers: Towers
    steps: int


def choose(bench: Bench) -> dict[str, Setting]:
    """Return the settings of every arm; see the rules above."""

    def tried(arm: str, setting: Setting) -> Row:
        return run(bench, arm, setting, TUNING, "valid", ORDER[::-1])

    def best(arm: str, settings: Sequence[Setting]) -> Setting:
        return max(settings, key=lambda setting: float(tried(arm, setting)["recall"]))

    plain = best(NAIVE, [Setting(lr) for lr in RATES])
    strongest = best(TWO_GROUPS, [replace(plain, strength=strength) for strength in STRENGTHS])
    lowest = tried(TWO_GROUPS, strongest)["new"] - 0.01
    rows = [tried(CONSISTENT, replace(strongest, gamma=gamma)) for gamma in GAMMAS]
    allowed = [row for row in rows if row["new"] >= lowest] or rows[:1]
    gamma = min(allowed, key=lambda row: float(row["drift"]))["gamma"]
    settings = dict.fromkeys(ARMS, plain)
    settings |= {
        ONE_GROUP: strongest,
        TWO_GROUPS: strongest,
        CONSISTENT: replace(strongest, gamma=gamma),
    }
    return settings | {OSF: best(OSF, [Setting(lr) for lr in OSF_RATES])}


def run(
    bench: Bench, arm: str, setting: Setting, seed: int, part: str, order: Sequence[str]
) -> Row:
    """Learn the sources in an order, and measure; a result that is there is read."""
    key = f"{part}--{arm}--{setting.lr:g}--{setting.strength:g}--{setting.gamma:g}--{seed}"

    def measure() -> Row:
        scores = _measured(bench, arm, setting, seed, part, order)
        row = {"arm": arm, "seed": seed, "part": part, **asdict(setting), **scores}
        print(*row.values(), flush=True)
        return {**row, "steps": bench.steps, **provenance()}

    return dict(remembered(bench.work / "rows" / f"{key.replace(' ', '-')}.json", measure))


def _measured(
    bench: Bench, arm: str, setting: Setting, seed: int, part: str, order: Sequence[str]
) -> Row:
    start, sources = time.process_time(), [bench.sources[name] for name in order]
    parts = [source[part] for source in sources]
    if arm in (ZERO_SHOT, CLASS_MEANS):
        scores_of_parts = _frozen(bench, arm, seed, [source["train"] for source in sources], parts)
        rows = [scores_of_parts] * len(parts)
    else:
        learner, rows = Learner(arm, setting, bench.towers, seed, len(sources)), []
        for source in sources:
            learner.learn(source["train"], bench.steps)
            rows.append(learner.similarities(parts))
    return scores(rows, parts) | {"cpu_seconds": time.process_time() - start}


def scores(rows: Sequence[Sequence[Tensor]], parts: Sequence[Part]) -> Row:
    """Return the measures.

    Args:
        rows: after each source, the cosines (picture, text) of every source with all texts.
        parts: the pictures of every source.
    """
    sizes = [len(part.classes) for part in parts]
    starts = [sum(sizes[:at]) for at in range(len(sizes))]

    def accuracy_at(after: int, at: int) -> Tensor:
        return rows[after][at][:, starts[at] : starts[at] + sizes[at]]

    def accuracy(after: int, at: int) -> float:
        return float((accuracy_at(after, at).argmax(1) == parts[at].label).float().mean())

    last, count = len(parts) - 1, len(parts)
    ends = [accuracy(last, at) for at in range(count)]
    hits = [(rows[last][n].argmax(1) == part.label + starts[n]) for n, part in enumerate(parts)]
    drifts = [
        float((accuracy_at(last, at) - accuracy_at(at, at)).square().mean().sqrt())
        for at in range(last)
    ]
    return {
        "accuracy": sum(ends) / count,
        "new": sum(accuracy(at, at) for at in range(1, count)) / last,
        "old": sum(ends[:last]) / last,
        "recall": sum(float(hit.float().mean()) for hit in hits) / count,
        "drift": sum(drifts) / last,
    }


@torch.no_grad()
def _frozen(
    bench: Bench, arm: str, seed: int, train: Sequence[Part], parts: Sequence[Part]
) -> list[Tensor]:
    """Return the cosines of frozen towers with all texts, or with the means of all classes."""
    towers = bench.towers(seed).eval()
    if arm == ZERO_SHOT:
        names = [name for part in parts for name in part.classes]
        anchors = towers.text_features(towers.tokenize(names))
    else:
        towers.clip.visual.head.proj = torch.nn.Identity()
        anchors = torch.cat([_means(towers.image_features(p.image), p) for p in train])
    return [towers.image_features(part.image) @ anchors.T for part in parts]


def _means(features: Tensor, part: Part) -> Tensor:
    ones = F.one_hot(part.label, len(part.classes)).to(features)
    return F.normalize(ones.T @ features, dim=-1)


def step_times(bench: Bench, towers: Towers, settings: dict[str, Setting]) -> Iterator[Row]:
    """Yield the time of a step of each arm, with whole towers."""
    first, second = (bench.sources[name]["train"] for name in ORDER[:2])
    learners = {arm: Learner(arm, settings[arm], towers, 0, len(ORDER)) for arm in ARMS}
    times: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for learner in learners.values():
        learner.learn(first, 1)
        learner.begin()
    for _ in range(BLOCKS):
        for arm, learner in learners.items():
            batches = list(learner.batches(second, BLOCK))
            start = time.process_time()
            for number, batch in enumerate(batches):
                learner.step(batch, number)
            times[arm].append((time.process_time() - start) / BLOCK)
    middle = {arm: statistics.median(values) for arm, values in times.items()}
    for arm, value in middle.items():
        ratios = [a / b for a, b in zip(times[arm], times[NAIVE], strict=True)]
        trained = sum(p.numel() for p in learners[arm].trained)
        row = {"arm": arm, "seconds": value, "over_naive": statistics.median(ratios)}
        yield {**row, "least": min(ratios), "most": max(ratios), "trained": trained}


def prepare(work: Path, steps: int) -> Bench:
    """Write towers and pictures, unless they are there, and read them."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "towers" / "open_clip_model.safetensors").exists():
        write_towers(work / "towers")
    if not (work / "digits.csv").exists():
        write_sources(work)
    towers = Towers(work / "towers", work / "trunk.safetensors")
    sources = {name: read_source(work / f"{name}.csv", towers.first.size) for name in ORDER}
    towers.compute([part for source in sources.values() for part in source.values()])
    return Bench(work, sources, towers, steps)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(
        __doc__,
        option("--work", type=Path, default=Path("runs/lifelong")),
        option("--results", type=Path, default=RESULTS),
        option("--steps", type=int, default=STEPS),
        option("--seeds", type=int, nargs="+", default=SEEDS),
        arguments=arguments,
    )
    bench = prepare(options.work, options.steps)
    settings = choose(bench)
    arms = {ZERO_SHOT: Setting(0.0), CLASS_MEANS: Setting(0.0), **settings}
    rows: list[Row] = []

    def times() -> list[Row]:
        steps = step_times(bench, Towers(options.work / "towers", None), settings)
        return [{**row, **provenance()} for row in steps]

    for seed in options.seeds:
        rows += [run(bench, arm, setting, seed, "test", ORDER) for arm, setting in arms.items()]
        rows.sort(key=lambda row: list(arms).index(row["arm"]))
        write(options.results / "lifelong.csv", rows)
        write(options.results / "lifelong_step.csv", remembered(options.work / "step.json", times))


if __name__ == "__main__":
    main()
