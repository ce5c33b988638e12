"""Read damaged samples in a process of its own, and tell the campaign line by line.

Run as `python -m scionwood.testing.fuzzing.worker` with a job as JSON on its standard input. The
campaign survives its death, and starts another one behind the mutation that killed it.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scionwood import discovery
from scionwood.errors import ScionwoodError
from scionwood.testing.fuzzing.corpus import case_of
from scionwood.testing.fuzzing.mutations import propose
from scionwood.testing.fuzzing.reading import Probe
from scionwood.testing.fuzzing.samples import Sample, samples_of
from scionwood.testing.fuzzing.trial import Trial

_MOST_CASES = 12
"""Cases of one sample that are reduced and kept."""

Tell = Callable[..., None]


def run(job: dict[str, Any], tell: Tell) -> None:
    """Read every mutation of every sample from where the job says.

    Args:
        job: `plugin`, `files`, `n`, `seed`, `corpus`, and `done`: mutations by sample.
        tell: takes the words of one line.
    """
    plugin = discovery.record(job["plugin"])
    samples, missing = samples_of(plugin, [Path(file) for file in job["files"]])
    tell("samples", [sample.name for sample in samples], missing)
    for sample in samples:
        first = job["done"].get(sample.name, 0)
        if first < job["n"]:
            with TemporaryDirectory() as folder:
                _fuzz(sample, Path(folder), range(first, job["n"]), job, tell)


def _fuzz(sample: Sample, folder: Path, numbers: range, job: dict[str, Any], tell: Tell) -> None:
    known: set[str] = set()
    with Probe(sample.reference, folder) as probe:
        trial = Trial(sample, folder, probe)
        tell("learn", sample.name)
        first = probe.learn(trial.path)
        tell("learned", sample.name, first.kind, first.detail)
        if first.kind != "equal":
            return
        for number in numbers:
            edits = propose(sample.tree, sample.main, f"{job['seed']} {sample.name} {number}")
            tell("begin", sample.name, number, [edit.to_json() for edit in edits])
            reading = trial.run(edits)
            tell("end", sample.name, reading.kind, reading.detail)
            if reading.is_fault and reading.cause not in known and len(known) < _MOST_CASES:
                known.add(reading.cause)
                edits = trial.reduced(edits, reading)
                path = case_of(sample, edits, reading).save(Path(job["corpus"]))
                tell("case", sample.name, str(path), reading.detail)
    tell("spent", sample.name, probe.seconds)


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
