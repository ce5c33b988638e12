"""Versions of a shipped run that differ in their adapter alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

import scionwood


def make_versions(run: str, folder: Path, n: int) -> list[Path]:
    """Write `n` runs that differ in the size of what their adapter adds.

    Args:
        run: a shipped run.
        folder: the folder of the runs.
        n: how many.
    """
    source = scionwood.find_run(run, quiet=True)
    made = []
    for number in range(n):
        target = folder / f"v{number:02d}"
        shutil.copytree(source, target)
        for name in ("files.json", "signature.json", "origin.json"):
            (target / name).unlink(missing_ok=True)
        weights = target / "adapter" / "adapter_model.safetensors"
        tensors = load_file(weights)
        for name, tensor in tensors.items():
            if "lora_B" in name:
                tensors[name] = tensor * (1 + 0.01 * number)
        save_file(tensors, weights, metadata={"format": "pt"})
        scionwood.authoring.write_manifest(target)
        made.append(target)
    return made
