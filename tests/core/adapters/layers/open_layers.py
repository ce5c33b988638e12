"""Open every saved adapter of a folder in a fresh process, with peft alone and then with scionwood.

The argument is the folder. The outputs go to two files of safetensors. The errors are printed as
JSON, with whether scionwood was imported before peft was done.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn as nn
from layer_cases import CASES, model_of
from safetensors.torch import save_file

Open = Callable[[nn.Module, Path], nn.Module]


def with_peft(model: nn.Module, folder: Path) -> nn.Module:
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder)).eval()


def with_scionwood(model: nn.Module, folder: Path) -> nn.Module:
    from scionwood import load_adapter

    return load_adapter(model, folder)


def open_all(root: Path, name: str, how: Open) -> dict[str, str]:
    """Open the folders, write the outputs, and return the errors."""
    outputs, errors = {}, {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        case = json.loads((folder / "case.json").read_text("utf-8"))["case"]
        model, inputs = model_of(CASES[case])
        try:
            with torch.no_grad():
                outputs[folder.name] = how(model, folder)(*inputs).contiguous()
        except Exception as error:
            errors[folder.name] = f"{type(error).__name__}: {error}"
    save_file(outputs, root / f"{name}.safetensors")
    return errors


warnings.simplefilter("ignore")
place = Path(sys.argv[1])
said: dict[str, object] = {"peft": open_all(place, "peft", with_peft)}
said["imported"] = "scionwood" in sys.modules
said["scionwood"] = open_all(place, "scionwood", with_scionwood)
print(json.dumps(said))
