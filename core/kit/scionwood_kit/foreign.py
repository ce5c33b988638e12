"""The foreign process of the kit: load exported files where Scionwood cannot be imported.

Run as `python -P foreign.py FOLDER ...`, with folders that the kit has written. It imports torch
and safetensors alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

ABSENT = ("scionwood", "peft", "lightning", "transformers", "timm")


class Absent(MetaPathFinder):
    """Refuse imports, as if packages were not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Raise for a package of `ABSENT`, and for every plugin."""
        top = fullname.partition(".")[0]
        if top in ABSENT or top.startswith("scionwood_"):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def run(folder: Path) -> None:
    """Run the model of a folder on its input, and write `output.safetensors`."""
    import torch
    from safetensors.torch import load_file, save_file

    torch.set_num_threads(1)
    model = torch.export.load(folder / "model.pt2").module()
    stored = load_file(folder / "input.safetensors")
    with torch.no_grad():
        result = model(*(stored[str(n)] for n in range(len(stored))))
    outputs = result if isinstance(result, tuple | list) else (result,)
    tensors = {str(n): tensor.contiguous() for n, tensor in enumerate(outputs)}
    save_file(tensors, folder / "output.safetensors")


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    for argument in sys.argv[1:]:
        run(Path(argument))
