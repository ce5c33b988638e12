"""Open every saved adapter of a folder in a fresh process, with scionwood or with peft alone.

The argument is the folder, and `--peft` for peft alone. The outputs go to a file of safetensors.
Errors are printed as JSON.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import torch
from layer_cases import CASES, model_of
from safetensors.torch import save_file

ALONE = "--peft" in sys.argv


def opened(case: str, folder: Path) -> torch.Tensor:
    model, inputs = model_of(CASES[case])
    if ALONE:
        from peft import PeftModel

        tuned = PeftModel.from_pretrained(model, str(folder)).eval()
    else:
        from scionwood import load_adapter

        tuned = load_adapter(model, folder)
    with torch.no_grad():
        return tuned(*inputs)


def main(root: Path) -> None:
    outputs, errors = {}, {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        case = json.loads((folder / "case.json").read_text("utf-8"))["case"]
        try:
            outputs[folder.name] = opened(case, folder).contiguous()
        except Exception as error:
            errors[folder.name] = f"{type(error).__name__}: {error}"
    save_file(outputs, root / ("peft.safetensors" if ALONE else "scionwood.safetensors"))
    print(json.dumps({"errors": errors, "scionwood": "scionwood" in sys.modules}))


warnings.simplefilter("ignore")
main(Path(sys.argv[1]))
