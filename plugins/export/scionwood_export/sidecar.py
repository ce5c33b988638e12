"""The file beside an exported run: where it comes from, and how a caller uses it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, final

from torch import Tensor

from scionwood.recipes.recipe import Recipe
from scionwood.runs.layout import RECIPE, weights_digest
from scionwood.runs.origin import read_origin
from scionwood.training.deployed import Deployed, Signal
from scionwood_sandbox.files import atomic_path

PACKAGES = ("scionwood", "torch", "onnx", "onnxruntime", "safetensors")


@final
@dataclass(frozen=True)
class Verified:
    """The comparison of an exported file with its run.

    Attributes:
        reached: the largest difference, relative to the largest output of the run.
        allowed: the largest difference that is accepted.
        shapes: the shapes of the inputs that were compared, one list for each comparison.
        unmerged: why the adapter is not merged into the base, or "".
    """

    reached: float
    allowed: float
    shapes: tuple[tuple[tuple[int, ...], ...], ...]
    unmerged: str = ""


def sidecar_of(target: Path) -> Path:
    """Return the path of the sidecar of an exported file: `denoise.pt2.json`."""
    return target.with_name(f"{target.name}.json")


def describe_run(folder: Path, recipe: Recipe, base_sha256: str) -> dict[str, Any]:
    """Return where an exported file comes from.

    Args:
        folder: the run folder.
        recipe: its recipe.
        base_sha256: the hash of the base before the adapter was merged.
    """
    origin = read_origin(folder)
    return {
        "task": recipe.task.name,
        "backbone": recipe.backbone.name,
        "adapter": recipe.adapter.name,
        "recipe_sha256": hashlib.sha256((folder / RECIPE).read_bytes()).hexdigest(),
        "base_sha256": base_sha256,
        "weights_sha256": weights_digest(folder),
        "origin": None if origin is None else asdict(origin),
    }


def describe_model(deployed: Deployed, outputs: Sequence[Tensor]) -> dict[str, Any]:
    """Return the inputs and outputs of a model, and what the caller does before and after.

    Args:
        deployed: the model with the example that was traced.
        outputs: what the run returns for this example.
    """
    normalisation = deployed.normalisation
    return {
        "inputs": _signals(deployed.inputs, deployed.example, "input"),
        "outputs": _signals(deployed.outputs, outputs, "output"),
        "dynamic_axes": list(deployed.dynamic),
        "padding": {"multiples": dict(deployed.multiples), "how": deployed.padding},
        "normalisation": {
            "before": list(normalisation.before),
            "after": list(normalisation.after),
            "numbers": dict(normalisation.numbers),
        },
    }


def describe_file(path: Path, verified: Verified) -> dict[str, Any]:
    """Return the digest of an exported file, and how near it is to the run."""
    return {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "adapter": f"kept: {verified.unmerged}" if verified.unmerged else "merged into the base",
        "difference": {
            "reached": verified.reached,
            "allowed": verified.allowed,
            "measure": "largest difference from the run, over the largest output of the run",
            "input_shapes": verified.shapes,
        },
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": platform.machine(),
    }


def write_sidecar(target: Path, content: dict[str, Any]) -> None:
    """Write the sidecar of an exported file."""
    with atomic_path(sidecar_of(target)) as part:
        part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _signals(
    signals: Sequence[Signal], tensors: Sequence[Tensor], default: str
) -> list[dict[str, Any]]:
    # A task that does not override `deploy` describes none; the shapes are known all the same.
    descriptions = signals or [
        Signal(f"{default}_{at}", tuple(f"axis_{n}" for n in range(x.ndim)), "not stated")
        for at, x in enumerate(tensors)
    ]
    return [
        {
            "name": signal.name,
            "axes": list(signal.axes),
            "shape": list(tensor.shape),
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "unit": signal.unit,
        }
        for signal, tensor in zip(descriptions, tensors, strict=True)
    ]


def _versions() -> dict[str, str]:
    present = {}
    for package in PACKAGES:
        try:
            present[package] = version(package)
        except PackageNotFoundError:
            continue
    return present
