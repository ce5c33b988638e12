"""Export a run: trace it, write it, load it again, compare it with the run, and describe it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from scionwood.adapters import remembered_identity
from scionwood.recipes.recipe import Recipe, resolve
from scionwood.runs.base import with_base
from scionwood.runs.layout import RECIPE
from scionwood.runs.reference import find_run
from scionwood.training import Task, load_run
from scionwood.training.deployed import Deployed, ExportError
from scionwood_export.comparing import largest_gap, outputs_of
from scionwood_export.formats import GRAPHS, Format, write_graph
from scionwood_export.graph import trace
from scionwood_export.merging import plain
from scionwood_export.resizing import resized
from scionwood_export.sidecar import (
    Verified,
    describe_file,
    describe_model,
    describe_run,
    sidecar_of,
    write_sidecar,
)
from scionwood_sandbox.files import atomic_path, check_target, writing

Example = tuple[Tensor, ...]


def export_run(
    run: str | Path,
    target: str | Path,
    *,
    format: Format = "pt2",
    shape: Sequence[int] | None = None,
    force: bool = False,
) -> Verified:
    """Write a run as one file that other programs load without Scionwood.

    The adapter is merged into the base. The file is loaded again and compared with the run before
    it gets its name. `TARGET.json` beside it says where it comes from and how to use it: shapes,
    units, padding, and the normalisation that the caller does before and after.

    Args:
        run: the run folder, or another reference to a run; see `find_run`.
        target: the file to write. It ends in `.pt2` for `pt2` and `aoti`, in `.onnx`, or in
            `.safetensors` for `merged`.
        format: `pt2` for `torch.export.load`; `aoti`, compiled for this machine's processor;
            `onnx`; or `merged`, the weights of the backbone alone.
        shape: the lengths of the input's axes after the batch; by default those of the task.
        force: replace an existing file.

    Returns:
        How near the file is to the run.

    Raises:
        ExportError: the run cannot be written in this format, its base has four bits, or the file
            differs from the run.
        OutputExistsError: the file or its sidecar exists and `force` is false.
        TrainingError: the run is not finished.

    Example:
        >>> from scionwood_export import export_run
        >>> done = export_run("seismic/denoise", "base.safetensors", format="merged")
        >>> done.reached <= done.allowed
        True
    """
    target = Path(target)
    check_name(target, format)
    for path in (target, sidecar_of(target)):
        check_target(path, force)
    folder = find_run(run)
    recipe = resolve(folder / RECIPE)
    _refuse_four_bits(folder, recipe)
    task = load_run(folder)
    deployed = _sized(task.deploy(folder), shape)
    content: dict[str, Any] = {
        "format": format,
        "run": describe_run(folder, recipe, remembered_identity(task.backbone).sha256),
    }
    expected = outputs_of(deployed.module, deployed.example)
    with writing(target), atomic_path(target, overwrite=force) as part:
        if format == "merged":
            verified = _write_merged(task, deployed, recipe, folder, part)
        else:
            verified = write_deployed(deployed, format, part)
        content |= describe_model(deployed, expected) | describe_file(part, verified)
    with writing(sidecar_of(target)):
        write_sidecar(target, content)
    return verified


def write_deployed(deployed: Deployed, format: Format, path: Path) -> Verified:
    """Write a model in a format that holds a graph, and compare the file with the model.

    Args:
        deployed: the model; its adapter is merged in place.
        format: `pt2`, `aoti` or `onnx`.
        path: the file, which the caller removes after an error.

    Returns:
        How near the file is to the model.

    Raises:
        ExportError: the format cannot hold the model, or the file differs from it.
    """
    if reason := GRAPHS[format].obstacle():
        raise ExportError(f"format {format}", "it cannot be written here", reason)
    deployed = _with_two(deployed)
    with _expecting(deployed, GRAPHS[format].tolerance) as compare:
        module, unmerged = plain(deployed.module)
        ready = replace(deployed, module=module)
        function = write_graph(trace(ready), ready, format, path)
        return replace(compare(function), unmerged=unmerged)


def check_name(target: Path, format: Format) -> None:
    """Refuse a name whose end does not fit the format.

    Raises:
        ExportError: naming the right end.
    """
    suffix = ".safetensors" if format == "merged" else GRAPHS[format].suffix
    if target.suffix != suffix:
        rule = f"a file of the format {format} ends in {suffix}"
        fitting = [name for name, kind in GRAPHS.items() if kind.suffix == target.suffix]
        other = f", or use --format {fitting[0]}" if fitting else ""
        raise ExportError(str(target), rule, f"Name it {target.stem}{suffix}{other}")


def _refuse_four_bits(folder: Path, recipe: Recipe) -> None:
    if (value := recipe.backbone.options.get("quantize", "none")) != "none":
        rule = f"its base has four-bit weights (backbone.quantize: {value}), which no format holds"
        remedy = "Train with `backbone.quantize: none`, and export that run"
        raise ExportError(f"run {folder}", rule, remedy)


def _sized(deployed: Deployed, shape: Sequence[int] | None) -> Deployed:
    target_shape = shape or deployed.shape
    return deployed if target_shape is None else resized(deployed, target_shape)


@contextmanager
def _expecting(
    deployed: Deployed, allowed: float
) -> Iterator[Callable[[Callable[..., Any]], Verified]]:
    """Run a model now, and yield a function that compares another form of it later.

    Between the two, the adapter is merged in place. The comparison is therefore with the run as
    it predicts, and not with its merged copy.
    """
    module = deployed.module.eval()
    pairs = [(example, outputs_of(module, example)) for example in _examples(deployed)]

    def compare(function: Callable[..., Any]) -> Verified:
        gaps = [largest_gap(expected, outputs_of(function, x)) for x, expected in pairs]
        if not max(gaps) <= allowed:
            rule = f"it differs from the run by {max(gaps):.1e}, and {allowed:.0e} is allowed"
            remedy = "Nothing was written. Export a run with float32 weights, or another format"
            raise ExportError(f"exported {type(module).__name__}", rule, remedy)
        shapes = tuple(tuple(tuple(x.shape) for x in example) for example, _ in pairs)
        return Verified(max(gaps), allowed, shapes)

    yield compare


def _with_two(deployed: Deployed) -> Deployed:
    """Return the same model with two samples in its example; torch takes a length of 1 as fixed."""
    if not _has_free_batch(deployed) or len(deployed.example[0]) > 1:
        return deployed
    return replace(deployed, example=tuple(torch.cat([x, x.flip(-1)]) for x in deployed.example))


def _has_free_batch(deployed: Deployed) -> bool:
    # An input without a batch, such as the tokens of class names, keeps its first length.
    return "batch" in deployed.dynamic and deployed.inputs[0].axes[:1] == ("batch",)


def _examples(deployed: Deployed) -> list[Example]:
    """Return the example, and another one with other values and, if it is free, another batch."""
    if _has_free_batch(deployed):
        longer = tuple(
            torch.cat([x, x.flip(0)])[: len(x) + 1] if signal.axes[0] == "batch" else x
            for signal, x in zip(deployed.inputs, deployed.example, strict=True)
        )
        return [deployed.example, tuple(map(_moved, longer))]
    if len(deployed.example) == 1 and deployed.example[0].is_floating_point():
        return [deployed.example, tuple(map(_moved, deployed.example))]
    return [deployed.example]  # the tensors of a graph belong together


def _moved(x: Tensor) -> Tensor:
    if not x.is_floating_point():
        return x
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    return x + 0.1 * noise.to(x.dtype)


def _write_merged(
    task: Task, deployed: Deployed, recipe: Recipe, folder: Path, path: Path
) -> Verified:
    with _expecting(deployed, 1e-5) as compare:
        _, unmerged = plain(task.backbone)
        if unmerged:
            rule = f"its adapter {unmerged}"
            raise ExportError("format merged", rule, "Use --format pt2, which keeps the adapter")
        save_model(_bare(task.backbone), str(path))
        again = with_base(folder, recipe).backbone.build()
        load_model(again, path)
        merged_task = recipe.task.build(again).requires_grad_(False).eval()
        return compare(merged_task.deploy(folder).module)


def _bare(backbone: Any) -> nn.Module:
    bare: nn.Module = backbone.get_base_model() if hasattr(backbone, "peft_config") else backbone
    return bare
