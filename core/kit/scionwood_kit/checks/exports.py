"""A run of each backbone works in a program without Scionwood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scionwood.plugins.plugin import Plugin
from scionwood.recipes.recipe import resolve
from scionwood.training.deployed import Deployed, ExportError
from scionwood_export.comparing import largest_gap, outputs_of
from scionwood_export.run import write_deployed
from scionwood_kit import foreign
from scionwood_kit.cases import BackboneCase, RecipeCase, seeded
from scionwood_kit.checks.static import recipe_names
from scionwood_kit.child import last_line, run_python
from scionwood_kit.rules import NothingToCheck, Problem, check

TOLERANCE = 1e-5
"""The largest relative difference between a run and its exported file."""


@check
def check_exports(plugin: Plugin) -> Iterator[Problem]:
    """Exported with torch.export, each backbone gives the same output without Scionwood (1e-5).

    A backbone is exported as the task of its first recipe deploys it, with the adapter off its
    initial values. A process that cannot import Scionwood or peft then loads the file.
    """
    with TemporaryDirectory() as temporary:
        written = []
        for number, (name, deploy) in enumerate(_deployable(plugin).items()):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            try:
                written.append((name, folder, _write(deploy(), folder)))
            except ExportError as error:
                rule = f"a backbone can be exported ({error})"
                yield Problem(name, rule, "Override deploy() of its task; see docs/export.md")
        yield from _problems_elsewhere(written)


def _deployable(plugin: Plugin) -> dict[str, Callable[[], Deployed]]:
    """Return what to export: the first recipe of each backbone, then the backbones without one."""
    builders: dict[str, Callable[[], Deployed]] = {}
    used = set()
    for name in recipe_names(plugin):
        backbone = resolve(f"{plugin.name}/{name}", smoke=True).backbone.name
        if backbone not in used:
            used.add(backbone)
            builders[f"recipe {plugin.name}/{name}"] = _of_recipe(
                RecipeCase(f"{plugin.name}/{name}")
            )
    for name, reference in plugin.backbones.items():
        if f"{plugin.name}/{name}" not in used:
            builders[f"backbone {plugin.name}/{name}"] = _of_backbone(BackboneCase(reference))
    if not builders:
        raise NothingToCheck("no backbones and no recipes")
    return builders


def _of_recipe(case: RecipeCase) -> Callable[[], Deployed]:
    def deploy() -> Deployed:
        recipe = case.recipe
        with seeded():
            model = case.backbone()
            if recipe.adapter.component is not None:
                model = case.attach(model)
                _perturb(model)
            deployed: Deployed = recipe.task.build(model).eval().deploy()
        return deployed

    return deploy


def _of_backbone(case: BackboneCase) -> Callable[[], Deployed]:
    def deploy() -> Deployed:
        with seeded():
            model: Any = case.backbone()
            return Deployed(model, tuple(model.example_input()))

    return deploy


@torch.no_grad()
def _perturb(model: nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.add_(0.02 * torch.randn_like(parameter))


def _write(deployed: Deployed, folder: Path) -> list[Tensor]:
    """Write the model and its input; return the output of the run."""
    expected = outputs_of(deployed.module.eval(), deployed.example)
    write_deployed(deployed, "pt2", folder / "model.pt2")
    inputs = {str(n): x.contiguous().clone() for n, x in enumerate(deployed.example)}
    save_file(inputs, folder / "input.safetensors")
    return expected


def _problems_elsewhere(written: list[tuple[str, Path, list[Tensor]]]) -> Iterator[Problem]:
    if not written:
        return
    folders = [str(folder) for _, folder, _ in written]
    code, _, err = run_python(["-P", str(foreign.__file__), *folders])
    if code:
        rule = "an exported file loads where Scionwood is not installed"
        yield Problem(", ".join(name for name, _, _ in written), rule, last_line(err))
        return
    for name, folder, expected in written:
        after = load_file(folder / "output.safetensors")
        gap = largest_gap(expected, [after[str(n)] for n in range(len(after))])
        if not gap <= TOLERANCE:
            rule = "an exported file gives the output of the run"
            remedy = "Compute nothing in forward that the graph does not see"
            yield Problem(f"{name}: the output moves by {gap:.2g}", rule, remedy)
