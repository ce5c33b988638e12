"""The fresh process of the kit: rebuild each saved case and write its output to a file.

Run as `python -m scionwood_kit.reload FOLDER ...`, with folders that the kit has written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from scionwood.adapters import load_adapter, load_head
from scionwood_kit.cases import case_of
from scionwood_kit.tensors import output


def reload(folder: Path) -> None:
    """Load the adapter and the head of a case, and write its output to `output.safetensors`."""
    description = json.loads((folder / "case.json").read_text("utf-8"))
    torch.set_num_threads(description["threads"])
    model = load_adapter(case_of(description["case"]).backbone(), folder / "adapter")
    head = folder / "head.safetensors"
    if head.exists():
        load_head(model, head)
    stored = load_file(folder / "input.safetensors")
    outputs = output(model, tuple(stored[str(n)] for n in range(len(stored))))
    tensors = {str(n): tensor.contiguous() for n, tensor in enumerate(outputs)}
    save_file(tensors, folder / "output.safetensors")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        reload(Path(argument))
