"""Read damaged samples in a process of its own, and tell the campaign line by line.

Run as `python -m scionwood_kit.fuzzing.worker` with a job as JSON on its standard input. The
campaign survives its death, and starts another one behind the mutation that killed it.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scionwood.errors import ScionwoodError
from scionwood.plugins import discovery
from scionwood_kit.fuzzing.corpus import case_of
from scionwood_kit.fuzzing.edits import Edit
from scionwood_kit.fuzzing.hostile import HOSTILE, variants, verdict_of
from scionwood_kit.fuzzing.mutations import propose
from scionwood_kit.fuzzing.reading import Probe
from scionwood_kit.fuzzing.samples import Sample, samples_of
from scionwood_kit.fuzzing.trial import Trial

_MOST_CASES = 12
"""Cases of one sample that are reduced and kept."""

Tell = Callable[..., None]
Edits = str | list[Edit]
"""A seed of a mutation, or the edits of a hostile variant."""


def run(job: dict[str, Any], tell: Tell) -> None:
    """Read every mutation of every sample from where the job says.

    Args:
        job: `plugin`, `files`, `n`, `seed`, `corpus`, and `done`: mutations by sample.
        tell: takes the words of one line.
    """
    plugin = discovery.record(job["plugin"])
    samples, missing = samples_of(plugin, [Path(file) for file in job["files"]])
    samples = [variant for sample in samples for variant in (_hostile(sample), sample) if variant]
    series = {sample.name: edits for sample in samples if (edits := _series(sample, job))}
    tell("samples", {name: len(edits) for name, edits in series.items()}, missing)
    for sample in samples:
        first = job["done"].get(sample.name, 0)
        if first < len(series.get(sample.name, ())):
            with TemporaryDirectory() as folder:
                _fuzz(sample, Path(folder), series[sample.name], first, job["corpus"], tell)


def _hostile(sample: Sample) -> Sample | None:
    return None if sample.given else replace(sample, name=sample.name + HOSTILE)


def _series(sample: Sample, job: dict[str, Any]) -> Sequence[Edits]:
    """Return the edits of each variant of a sample, or the seed of each mutation."""
    if sample.name.endswith(HOSTILE):
        return variants(sample.tree)
    return [f"{job['seed']} {sample.name} {number}" for number in range(job["n"])]


def _fuzz(
    sample: Sample, folder: Path, series: Sequence[Edits], first: int, corpus: str, tell: Tell
) -> None:
    causes: set[str] = set()
    with Probe(sample.reference, folder) as probe:
        trial = Trial(sample, folder, probe)
        tell("learn", sample.name)
        baseline = probe.learn(trial.path)
        tell("learned", sample.name, baseline.kind, baseline.detail)
        if baseline.kind != "equal":
            return
        for number, seed in enumerate(series[first:], first):
            edits = propose(sample.tree, sample.main, seed) if isinstance(seed, str) else seed
            tell("begin", sample.name, number, [edit.to_json() for edit in edits])
            reading = trial.run(edits)
            if not isinstance(seed, str):
                reading = verdict_of(reading, sample.tree, edits)
            tell("end", sample.name, reading.kind, reading.detail)
            if not reading.is_fault or reading.cause in causes or len(causes) == _MOST_CASES:
                continue
            causes.add(reading.cause)
            place = f"variant {number}"  # made anew by each fuzz
            if isinstance(seed, str):
                edits = trial.reduced(edits, reading)
                place = str(case_of(sample, edits, reading).save(Path(corpus)))
            tell("case", sample.name, place, reading.detail)


def main() -> None:
    """Read the job, and keep the standard output from everything else in this process."""
    warnings.simplefilter("ignore")
    os.environ["SCIONWOOD_READERS"] = "inline"  # samples are trusted; the probe asks for a child
    job = json.loads(sys.stdin.read())
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)

    def tell(*words: Any) -> None:
        print(json.dumps(words), file=out, flush=True)

    try:
        run(job, tell)
    except ScionwoodError as error:
        tell("refused", error.value, error.rule, error.remedy)
    tell("finished")


if __name__ == "__main__":
    main()
