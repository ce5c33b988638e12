"""Load each pair of adapters under argv[1] in this process, and compare with the saved outputs.

Prints a JSON object: the differences by the seed of the net.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import net_actions
import torch
from net_comparison import Peft, Scionwood, Values, build, compared
from net_drawing import Drawn
from peft import PeftModel

import scionwood


def by_peft(net: Any, config: Any, folder: Path) -> Any:
    return PeftModel.from_pretrained(net, str(folder))


def by_scionwood(net: Any, config: Any, folder: Path) -> Any:
    return scionwood.load_adapter(net, folder)


_BY_PEFT = ("Scionwood", by_peft, Peft)


def output(drawn: Drawn, load: Callable[[Any, Any], Any], kind: Any) -> Values:
    """Return the output of a net whose adapter is loaded."""
    with net_actions.alone():
        tuned = build(drawn, load)
        kind.enable(tuned, drawn.recompute)
        for line in drawn.later:
            exec(line, tuned.words)
        return net_actions.run(tuned, amp=drawn.amp, train=False)


def main(root: Path) -> dict[int, list[str]]:
    """Return how loaded adapters differ from those that peft saved."""
    verdicts: dict[int, list[str]] = {}
    for folder in sorted(root.iterdir()):
        saved = [path for path in folder.glob("*.pt") if path.stem != "Scionwood"]
        if not saved or not (folder / "Scionwood.pt").exists():
            continue
        drawn, expected = torch.load(saved[0], weights_only=False)
        own = verdicts.setdefault(drawn.seed, [])
        pairs = [("Scionwood", by_scionwood, Scionwood)]
        if not drawn.beyond:
            pairs.append(_BY_PEFT if drawn.seed % 4 else ("Peft", by_scionwood, Scionwood))
        for saver, loader, kind in pairs:
            name = f"saved by {saver}, loaded {loader.__name__}"
            try:
                made = output(drawn, partial(loader, folder=folder / saver), kind)
            except Exception as problem:  # an unforeseen error is a finding too
                own.append(f"{name}: {type(problem).__name__}: {problem}")
                continue
            own += compared(name, made, {"output": expected}, drawn.amp)
    return verdicts


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]))))
