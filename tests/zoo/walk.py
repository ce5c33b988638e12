"""Take one model through the life of an adapter, in one process and then in a fresh one."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn as nn
from catalogue import Entry, run
from libraries import Library, Peft, Scionwood
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file

STEPS = 3
EXACT, CLOSE = 1e-6, 1e-5
LIBRARIES: dict[str, Library] = {"scionwood": Scionwood(), "peft": Peft()}
HERE = Path(__file__).parent


class Failure(Exception):
    """A stage that a library did not pass, and why."""


@dataclass
class Trail:
    """What became of one model in one library.

    Attributes:
        failures: The reason by the name of each stage that failed. No later stage ran, except that
            merging and reloading do not depend on each other.
        notes: What the steps changed besides the adapter.
    """

    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record the failure of a stage, whatever the library raises."""
        try:
            yield
        except Exception as error:
            text = str(error).strip().splitlines()[0] if str(error).strip() else ""
            kind = "" if isinstance(error, Failure) else f"{type(error).__name__}: "
            self.failures[name] = f"{kind}{text}"


def start(entry: Entry, library: Library, folder: Path) -> Trail:
    """Attach, train some steps, save, merge and unmerge.

    Args:
        entry: The model.
        library: The library.
        folder: Where the adapter goes, and `expected.safetensors` with the trained output.
    """
    trail = Trail()
    with trail.stage("attach"):
        tuned = library.attach(entry)
        compare("the fresh adapter changes the output", output(entry, tuned), output(entry), EXACT)
    if trail.failures:
        return trail
    with trail.stage("step"):
        trail.notes = train(entry, tuned)
    if trail.failures:
        return trail
    trained = output(entry, tuned)
    with trail.stage("save"):
        library.save(tuned, folder)
        save_file({"output": trained}, folder / "expected.safetensors")
    with trail.stage("merge"):
        weights = copy.deepcopy(list(tuned.parameters()))
        library.merge(tuned)
        compare("the merged output differs", output(entry, tuned), trained, CLOSE)
    if "merge" in trail.failures:
        return trail
    with trail.stage("unmerge"):
        library.unmerge(tuned)
        compare("the unmerged output differs", output(entry, tuned), trained, CLOSE)
        compare_all("an unmerged weight differs", list(tuned.parameters()), weights)
    return trail


def output(entry: Entry, model: nn.Module | None = None) -> torch.Tensor:
    """Return the output of a model, or of the bare base, in eval mode."""
    with torch.no_grad():
        return run((model or entry.model()).eval(), entry.example()).clone(
            memory_format=torch.contiguous_format
        )


def train(entry: Entry, model: PeftModel) -> list[str]:
    """Train as a user's own loop does, and check what changed.

    Returns:
        Notes on what changed although the adapter file does not hold it.

    Raises:
        Failure: A layer with an adapter learned nothing, or a weight of the base changed.
    """
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    trained = [value for value in model.parameters() if value.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=1e-3)
    model.train()
    for _ in range(STEPS):
        optimiser.zero_grad()
        run(model, entry.example()).square().mean().backward()
        optimiser.step()
    moved = {n for n, value in model.named_parameters() if not torch.equal(value, before[n])}
    if dead := [
        name for name in adapted(model) if not any(n.startswith(f"{name}.") for n in moved)
    ]:
        raise Failure(f"{len(dead)} of {len(adapted(model))} adapters learn nothing")
    if frozen := [n for n, v in model.named_parameters() if n in moved and not v.requires_grad]:
        raise Failure(f"the base changed: {frozen[0]}")
    drifted = any(not torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    return ["the steps changed running statistics"] if drifted else []


def adapted(model: nn.Module) -> list[str]:
    """Return the names of the layers with an adapter, the outer one of nested wrappers."""
    names = [name for name, part in model.named_modules() if isinstance(part, BaseTunerLayer)]
    return [name for name in names if not any(name.startswith(f"{other}.") for other in names)]


def compare(what: str, left: torch.Tensor, right: torch.Tensor, tolerance: float) -> None:
    """Raise `Failure` if two outputs differ by more than `tolerance` times the largest entry."""
    if left.shape == right.shape and not right.numel():
        return
    scale = max(float(right.abs().max()), 1e-30)
    error = float((left - right).abs().max()) / scale
    if not error <= tolerance:
        raise Failure(f"{what} by {error:.0e} of its largest value")


def compare_all(what: str, left: Sequence[torch.Tensor], right: Sequence[torch.Tensor]) -> None:
    for one, other in zip(left, right, strict=True):
        compare(what, one.detach(), other.detach(), CLOSE)


def finish(entries: Sequence[Entry], work: Path) -> dict[str, dict[str, Trail]]:
    """Open every saved adapter, in a process that has just started.

    Plain peft comes first, before anything imports scionwood.

    Returns:
        For each of `peft` (its own file), `opened` (scionwood's file in plain peft) and
        `scionwood`, what became of each model.
    """
    assert "scionwood" not in sys.modules
    results: dict[str, dict[str, Trail]] = {}
    for opened, saved, library in (
        ("peft", "peft", Peft()),
        ("opened", "scionwood", Peft()),
        ("scionwood", "scionwood", Scionwood()),
    ):
        tolerance = CLOSE if opened == "opened" else EXACT  # peft rounds unlike a fused kernel
        results[opened] = {
            e.name: _reload(e, library, folder_of(work, saved, e), tolerance) for e in entries
        }
        assert opened == "scionwood" or "scionwood" not in sys.modules
    return results


def _reload(entry: Entry, library: Library, folder: Path, tolerance: float) -> Trail:
    trail = Trail()
    expected = folder / "expected.safetensors"
    if not expected.exists():
        trail.failures["reload"] = "nothing was saved"
        return trail
    with trail.stage("reload"):
        loaded = library.load(entry.model(), folder)
        wanted = load_file(expected)["output"]
        compare("the reloaded output differs", output(entry, loaded), wanted, tolerance)
    return trail


def folder_of(work: Path, library: str, entry: Entry) -> Path:
    """Return the folder of one saved adapter."""
    return work / library / entry.name.replace(" ", "-")


def in_fresh_process(names: Sequence[str], work: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Run `finish` in a fresh process, and return the failures by kind and model."""
    result = work / "reloaded.json"
    command = [sys.executable, str(HERE), "--finish", str(work), *names]
    subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    reloaded: dict[str, dict[str, dict[str, str]]] = json.loads(result.read_text())
    return reloaded


def walk(
    entries: Sequence[Entry], work: Path, say: Callable[[str], None]
) -> dict[str, dict[str, Trail]]:
    """Take models through both libraries.

    Args:
        entries: The models.
        work: An empty folder for adapters.
        say: Called with the name of each model.

    Returns:
        For each of `scionwood`, `peft` and `opened`, what became of each model.
    """
    trails: dict[str, dict[str, Trail]] = {"scionwood": {}, "peft": {}, "opened": {}}
    for entry in entries:
        say(entry.name)
        for name, library in LIBRARIES.items():
            trails[name][entry.name] = start(entry, library, folder_of(work, name, entry))
        trails["opened"][entry.name] = Trail()
    reloaded = in_fresh_process([entry.name for entry in entries], work)
    for kind, by_name in reloaded.items():
        for name, failures in by_name.items():
            trails[kind][name].failures.update(failures)
    return trails
