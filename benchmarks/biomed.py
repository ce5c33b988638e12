"""Compare few-shot methods on real images with pretrained towers, and audit splits by image.

    pip install -e 'plugins/biomed[bench]'
    python benchmarks/biomed.py     # about an hour of one core

The towers come from biomed_towers.py and the images from biomed_images.py. Every method is trained
on nine classes of slices of the MNI template, with K = 1, 2, 4, 8 and 16 shots and three seeds. It
is tested on other slabs under eleven wordings of the prompts. A second experiment trains on the
first five classes and also tests the other four. The audit runs `scionwood biomed audit-splits` on
crops of five modalities. All methods use the plugin's default hyper-parameters. Results that are
already in the folder are not computed again. The script writes biomed.csv and biomed_leakage.csv.
"""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from biomed_images import write_modalities, write_slices
from biomed_towers import write_towers
from biomed_zoo.compare import Plan, evaluate
from biomed_zoo.methods import FROZEN, METHODS, OTHERS
from biomed_zoo.settings import DEFAULTS
from rich.progress import track
from runner import RESULTS, Row, machine, option, parsed, remembered, versions
from runner import write as write_table
from torch import Tensor, nn

from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.data.images import Images
from scionwood_biomed.tasks.anchors import read_prompts

SHOTS, SEEDS = (2, 8, 1, 4, 16), (0, 1, 2)
NOVEL_SHOTS = 16
FIRST = (
    "single_template",
    "single_template_kept",
    "dual_anchor_loss",
    "dual_anchor",
    "dual_anchor_lora",
    "prompt_augmentation",
    "zero_shot",
    "linear_probe",
)
SLOW, SLOW_SHOTS = "cocoop", (2,)
"""It encodes a text for each image and class, and takes ten times as long as any other method."""


@final
class Job(NamedTuple):
    """One run."""

    part: str
    shots: int
    seed: int
    method: str


@final
class CachedTrunk(nn.Module):
    """A frozen trunk that computes the features of each image once."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk.eval().requires_grad_(False)
        self.features: dict[bytes, Tensor] = {}

    def forward(self, image: Tensor) -> Tensor:
        """Return the output of the trunk for images (batch, 3, size, size)."""
        return torch.stack([self._one(item) for item in image])

    @torch.no_grad()
    def _one(self, image: Tensor) -> Tensor:
        key = hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()
        if key not in self.features:
            self.trunk.eval()
            self.features[key] = self.trunk(image[None])[0]
        return self.features[key]


@final
class Towers:
    """Builds fresh backbones that share one frozen trunk."""

    def __init__(self, folder: Path) -> None:
        self.first = ClipBackbone(model=str(folder), train_projection=True)
        self.trunk = CachedTrunk(self.first.clip.visual.trunk)
        self.first.clip.visual.trunk = self.trunk

    def __call__(self) -> ClipBackbone:
        """Return a copy with its own weights, except for the trunk."""
        return copy.deepcopy(self.first, {id(self.trunk): self.trunk})


def jobs() -> Iterator[Job]:
    """Yield every run; those that the criteria need come first."""
    late = [name for name in METHODS if name not in (*FIRST, SLOW, *FROZEN, *OTHERS)]
    for shots in SHOTS:
        names = [m for m in (*FIRST, *late) if m != "zero_shot" or shots == SHOTS[0]]
        yield from (Job("few-shot", shots, seed, method) for method in names for seed in SEEDS)
        if shots == SHOTS[1]:
            methods = (*FIRST, *late)
            yield from (Job("base-to-novel", NOVEL_SHOTS, s, m) for m in methods for s in SEEDS)
    yield from (Job("few-shot", shots, seed, SLOW) for shots in SLOW_SHOTS for seed in SEEDS)


def run(job: Job, folder: Path, towers: Towers, steps: int) -> Row:
    """Train and measure one method."""
    words = {"synonym": "synonyms", "abbreviation": "abbreviations"}
    others = {
        family: {name: w[0] for name, w in read_prompts(folder / f"{file}.json").items()}
        for family, file in words.items()
    }
    plan = Plan(
        (job.method,),
        (job.shots,),
        (job.seed,),
        replace(DEFAULTS, steps=steps),
        novel=job.part == "base-to-novel",
        others=others,
    )
    data = Images(source=folder / "slices.csv", size=towers.first.size)
    (row,) = evaluate(plan, data, towers)
    return {"part": job.part, **row}


def leakage(folder: Path, model: Path) -> list[Row]:
    """Run the audit command on the crops; return one row per way to split."""
    command = ["biomed", "audit-splits", str(folder / "modalities.csv"), "--model", str(model)]
    process = subprocess.run(
        [sys.executable, "-m", "scionwood.cli", *command, "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    audit = json.loads(process.stdout)
    common = {name: audit[name] for name in ("images", "subjects", "classes", "folds")}
    return [{"split": way, **common, **audit[way]} for way in ("by_image", "by_subject")]


def provenance() -> Row:
    """Return the versions and the machine of a measurement."""
    return versions("transformers", "open_clip_torch") | machine()


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write a file of results with six digits of each number."""
    write_table(path, [{name: _short(value) for name, value in row.items()} for row in rows])


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def quick(work: Path) -> list[Job]:
    """Return a few runs on a few slices, to test the script."""
    write_slices(work, slices=2)
    methods = ("zero_shot", "dual_anchor")
    return [Job("few-shot", 1, 0, m) for m in methods] + [Job("base-to-novel", 1, 0, "lora")]


def all_jobs(work: Path) -> list[Job]:
    """Return all runs on all slices."""
    write_slices(work)
    return list(jobs())


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(
        __doc__,
        option("--work", type=Path, default=Path("runs/biomed-benchmark")),
        option("--results", type=Path, default=RESULTS),
        option("--quick", action="store_true", help="two steps, few runs, no audit"),
        arguments=arguments,
        threads=None,
    )
    work: Path = options.work
    model = write_towers(work / "towers")
    planned = quick(work) if options.quick else all_jobs(work)
    steps = 2 if options.quick else DEFAULTS.steps
    towers, rows = Towers(model), []

    def measure(job: Job) -> Row:
        return run(job, work, towers, steps) | provenance()

    for job in track(planned, "biomed"):
        path = work / "rows" / f"{'--'.join(map(str, job))}.json"
        rows.append(remembered(path, partial(measure, job)))
        write(options.results / "biomed.csv", rows)
    if not options.quick:
        if not (work / "modalities.csv").exists():
            write_modalities(work)
        audit = [{**row, **provenance()} for row in leakage(work, model)]
        write(options.results / "biomed_leakage.csv", audit)


if __name__ == "__main__":
    main()
