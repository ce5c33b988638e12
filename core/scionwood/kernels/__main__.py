"""Tune the Triton kernels on a card, or print what the model of the plan predicts.

    python -m scionwood.kernels tune --device cuda --output tiles.json
    python -m scionwood.kernels plan

The second needs no card: it assumes an H100.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from scionwood.kernels import cards, conv_tuning, tuning
from scionwood.kernels.candidates import candidates
from scionwood.kernels.cards import FILE, Card, card
from scionwood.kernels.conv_forms import ConvShape
from scionwood.kernels.dispatch import obstacle, unfit
from scionwood.kernels.predict import table
from scionwood.kernels.triton_plan import SMALLEST, Shape, Tile

INTERPRETER = Card("interpreter", (0, 0), 4, SMALLEST)
FEW = {kernel: (Tile(16, 16, 16, 4, 2),) for kernel in ("up", "down", "through_b", "dx")}


def main(words: list[str] | None = None) -> int:
    """Run a command, and return the status for the shell."""
    parser = argparse.ArgumentParser(prog="python -m scionwood.kernels", description=__doc__)
    parser.add_argument("command", choices=("tune", "plan"))
    parser.add_argument("--device", choices=("cuda", "interpreter"), default="cuda")
    parser.add_argument("--seconds", type=float, default=1200.0, help="no candidate starts later")
    parser.add_argument("--output", type=Path, default=FILE, help="the table to add to")
    options = parser.parse_args(words)
    if options.command == "plan":
        print(table(card(), tuning.SHAPES))
        return 0
    if reason := _missing(options.device):
        print(f"tune: nothing was measured, since {reason}", file=sys.stderr)
        return 2
    if options.device == "interpreter":
        rates = dict.fromkeys(("flops", "tf32", "float32", "bytes"), 1.0)
        _tune(options, INTERPRETER, "cpu", tuning.TINY, rates, lambda _: FEW)
        return _convs(options, INTERPRETER, "cpu", conv_tuning.TINY)
    try:
        rates = tuning.rates()
    except torch.OutOfMemoryError as error:
        print(f"tune: nothing was measured, since {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    begun = time.monotonic()
    _tune(options, card(), "cuda", tuning.SHAPES, rates, candidates)
    options.seconds = max(60.0, options.seconds - time.monotonic() + begun)
    return _convs(options, card(), "cuda", conv_tuning.CONVS)


def _missing(device: str) -> str:
    """Return why tiles cannot be measured on a device, or an empty string."""
    if device == "interpreter":
        if os.environ.get("TRITON_INTERPRET") != "1":
            return "the interpreter needs TRITON_INTERPRET=1"
        return obstacle()
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    return obstacle() or unfit(torch.cuda.current_device())


def _tune(
    options: argparse.Namespace,
    gpu: Card,
    device: str,
    shapes: Mapping[str, Any],
    rates: dict[str, float],
    configs: Callable[[Shape], Mapping[str, tuple[Tile, ...]]],
) -> None:
    about: dict[str, Any] = {**rates, "torch": torch.__version__}
    entries = []
    for name, entry, failures in tuning.tune(gpu, device, shapes, options.seconds, configs):
        for failure in failures:
            tile = "" if failure.tile == tuning.NONE else f" {tuple(failure.tile)}"
            print(f"{name}: {failure.kernel}{tile} is left out: {failure.why}")
        if entry is None:
            why = "the memory does not suffice" if failures else "the time was over"
            print(f"{name}: not measured, since {why}")
            continue
        print(f"{name}: {entry['arms']} {entry['microseconds']}", flush=True)
        entries.append(entry)
        cards.write(options.output, gpu, about, entries)


def _convs(
    options: argparse.Namespace, gpu: Card, device: str, shapes: Mapping[str, ConvShape]
) -> int:
    entries = []
    for name, entry, why in conv_tuning.tune(device, shapes, options.seconds):
        if why:
            print(f"{name}: left out, since {why}")
        if entry is not None:
            print(f"{name}: {entry['form']} {entry['microseconds']}", flush=True)
            entries.append(entry)
            cards.write(options.output, gpu, {"torch": torch.__version__}, entries, "convs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
