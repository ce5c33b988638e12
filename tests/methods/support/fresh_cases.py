"""Load saved adapters in a process of its own.

`python fresh_cases.py FOLDER` loads every folder in FOLDER with peft after one import, and prints
whether each gives the saved output. The file `kind.json` of a folder names its model.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module
from pathlib import Path

import torch
from peft import PeftConfig, PeftModel


@torch.no_grad()
def main(folder: Path) -> None:
    """Load every case with peft, and print whether its output is bit-equal to the saved one."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    verdicts = {}
    folders = sorted(folder.iterdir())
    try:
        PeftConfig.from_pretrained(str(folders[0]))
    except KeyError as error:
        verdicts["before the import"] = f"KeyError: {error}"
    import_module("scionwood_methods.peft")  # the only import that a user of plain peft needs
    from method_layers import bare, example  # they import the plugin

    for each in folders:
        kind = json.loads((each / "kind.json").read_text())
        tuned = PeftModel.from_pretrained(bare(kind), str(each)).eval()
        wanted = torch.load(each / "answer.pt", weights_only=True)
        verdicts[each.name] = bool(torch.equal(tuned(example(kind)), wanted))
    print(json.dumps(verdicts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
