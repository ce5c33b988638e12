"""A saved adapter works in a process that has only the file and the backbone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file

from scionwood.plugins.plugin import Plugin
from scionwood_kit.cases import Case, Rig, cases
from scionwood_kit.child import last_line, run_python
from scionwood_kit.rules import Problem, check
from scionwood_kit.tensors import difference, output

ROUNDING = 1e-6
"""The largest relative difference between two processes that run the same computation."""


@check
def check_adapter_survives_a_fresh_process(plugin: Plugin) -> Iterator[Problem]:
    """Saved and loaded in another process, an adapter gives the same output (1e-6).

    The file holds the adapter's tensors and none of the base's, so it stays a few megabytes.
    """
    with TemporaryDirectory() as temporary:
        saved = []
        foreign: list[Problem] = []
        for number, case in enumerate(cases(plugin)):
            folder = Path(temporary) / str(number)
            rig = case.rig()
            rig.perturb()
            _save(rig, case, folder)
            foreign += _foreign_keys(case, rig, folder)
            saved.append((case, folder, output(rig.model, rig.example)))
        if foreign:
            yield from foreign
            return
        code, _, err = run_python(
            ["-m", "scionwood_kit.reload", *(str(folder) for _, folder, _ in saved)]
        )
        if code:
            rule = "a saved adapter loads in a fresh process"
            yield Problem(", ".join(str(case) for case, _, _ in saved), rule, last_line(err))
            return
        for case, folder, before in saved:
            after = load_file(folder / "output.safetensors")
            gap = difference(before, [after[str(n)] for n in range(len(after))])
            if gap > ROUNDING:
                rule = "an adapter loaded in a fresh process gives the same output"
                remedy = "Save every tensor that training changes, and seed the backbone"
                yield Problem(f"{case}: the output moves by {gap:.2g}", rule, remedy)


def _save(rig: Rig, case: Case, folder: Path) -> None:
    from scionwood.adapters import save_adapter, save_head

    folder.mkdir()
    save_adapter(rig.model, folder / "adapter")
    if rig.head:
        save_head(rig.model, folder / "head.safetensors")
    inputs = {str(n): x.contiguous().clone() for n, x in enumerate(rig.example)}
    save_file(inputs, folder / "input.safetensors")
    description = {"case": case.described(), "threads": torch.get_num_threads()}
    (folder / "case.json").write_text(json.dumps(description), "utf-8")


def _foreign_keys(case: Case, rig: Rig, folder: Path) -> Iterator[Problem]:
    rule = "the file of an adapter holds the adapter's tensors only"
    remedy = "Check the prefix by which the method's tuner names its tensors"
    base = rig.base()
    stored = load_file(folder / "adapter" / "adapter_model.safetensors")
    if not stored:
        yield Problem(f"{case}: the file holds no tensor", rule, remedy)
    for key, tensor in stored.items():
        # A trained copy (modules_to_save of peft) has the name of a base tensor and other values.
        name = key.removeprefix("base_model.model.").replace(".base_layer.", ".")
        if name in base and torch.equal(tensor, base[name]):
            yield Problem(f"{case}: the file holds {key}", rule, remedy)
