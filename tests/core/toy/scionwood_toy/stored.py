"""A backbone whose weights lie in a file, and a fit that measures the memory of its process."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from scionwood import load_weights
from scionwood.authoring import empty_weights
from scionwood_toy.child import fit_here
from scionwood_toy.parts import Mlp

M_MMAP_THRESHOLD = -3  # of malloc.h


def stored(*, weights: str, width: int = 16, depth: int = 2) -> nn.Module:
    """The network of the toy with a scale that no file holds, and weights of a file.

    Args:
        weights: a safetensors file, or the index of several.
        width: length of a hidden row.
        depth: number of residual blocks.

    Returns:
        A module, (batch, 8) -> (batch, 1), float32, no units.

    Source: none, it is a toy.
    """
    with torch.random.fork_rng(devices=[]), empty_weights():
        model = Mlp(8, width, depth, dropout=0.0)
        model.register_buffer("scale", torch.linspace(1, 2, width), persistent=False)
        model.stem.register_forward_hook(lambda _, __, out: out * model.scale)
    load_weights(model, weights)
    return model


def fit_measured(
    small: Sequence[str], large: Sequence[str], run_dir: Path, env: Mapping[str, str], result: Path
) -> None:
    """Train, and write how much higher the peak of the resident memory is than in a small fit.

    A first small fit loads what all need, such as modules. Pages of mapped files count. Memory that
    is freed goes back to the system at once; by default glibc keeps some of it for later.

    Args:
        small: overrides of the recipe for the small fits.
        large: overrides for the large one.
        run_dir: the folder of its run.
        env: variables of this process alone.
        result: the file to write.
    """
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 20)
    peaks: dict[str, int] = {}
    fits = {"first": small, "small": small, "large": large}
    for name, overrides in fits.items():
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts at what is resident now
        fit_here(overrides, run_dir / name, None, env)
        peaks[name] = _status("VmHWM")
    result.write_text(str(peaks["large"] - peaks["small"]))


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))
