"""Take each mend out of a copy of the core, and count the random nets that then differ.

    python tests/core/differential/mends.py        # the table of docs/results/kernels.md: 10 min
    python tests/core/differential/mends.py --only "hooks in front of a layer"

A mend is taken out by an edit of the source. An edit that no longer fits the source is an error.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NamedTuple, NoReturn

import peft  # noqa: F401  # before the forks, each of which imports the core alone
import torch
import transformers.modeling_utils  # noqa: F401

HERE = Path(__file__).parent
CORE = HERE.parents[2] / "core" / "scionwood"
NETS = 200
"""The nets of `test_differential.py`."""


class Edit(NamedTuple):
    """A text of a file of the core, and the text in its place."""

    file: str
    old: str
    new: str


_INTERCEPTION = "kernels/interception.py"
_AGAIN = "kernels/again.py"
_PREPARED = "adapters/prepared.py"
_FUSED = "adapters/fused_layers.py"
_LAYERS = "adapters/layers"
_FAITHFUL = "adapters/faithful.py"
_TARGETING = "adapters/targets.py"
_OUTPUTS = Edit(_FAITHFUL, "if after is None or _differs(", "if False and _differs(")
_STORED = Edit(_FAITHFUL, "if stored or not", "if True or not")

MENDS: dict[str, tuple[Edit, ...]] = {
    "comparing while a module in front has hooks": (Edit(_AGAIN, " or any(watch)", ""),),
    "the trial of a recipe": (Edit(_AGAIN, "if torch.equal(_value(node, eps), x):", "if True:"),),
    "the exact class of a layer": (
        Edit(_FUSED, "type(base) is not linear_type:", "not isinstance(base, linear_type):"),
        Edit(_INTERCEPTION, "if FORWARDS.get(kind) is not kind.forward:", "if False:"),
    ),
    "the guard of `forward` on an instance of a layer": (
        Edit(_INTERCEPTION, 'if "forward" in attributes:', "if False:"),
    ),
    "the guard of hooks on a layer": (
        Edit(_INTERCEPTION, 'if hooked(module) else ""', 'if False else ""'),
    ),
    "the guard of A, B and dropout": (Edit("adapters/prepared.py", "in PARTS:", "in ():"),),
    "the guard of hooks on all modules": (Edit(_FUSED, "if global_hooks():", "if False:"),),
    "the guard of hooks in a prepared call": (Edit(_PREPARED, "or any(self.hooks)", "or False"),),
    "keeping an input that a layer with hooks reads too": (
        Edit(_FUSED, "keep(x)  # hooks may write over it", "pass"),
    ),
    "outputs that are no views": (Edit("kernels/products.py", "y.resize_((", "y.view(("),),
    "both checks of a merge": (_OUTPUTS, _STORED),
    "the outputs before and after a merge": (_OUTPUTS,),
    "the weight that a merge needs to be stored": (_STORED,),
    "refusing a stacked weight that is computed": (
        Edit(f"{_LAYERS}/tuners.py", "if is_parametrized(base, name) and", "if False and"),
    ),
    "the translation of the names in a mixture of experts": (
        Edit("adapters/experts.py", "return bool(word.target_parameters)", "return False"),
    ),
    "leaving dead layers out that an example shows": (
        Edit("adapters/attaching.py", "if not live_names or any(", "if True or any("),
    ),
    "leaving dead layers out that the source shows": (
        Edit(_TARGETING, "if not probed:", "if False:"),
    ),
    "the class of an attention": (
        Edit(
            f"{_LAYERS}/attention.py",
            "class StandIn(nn.MultiheadAttention):",
            "class StandIn(nn.Module):",
        ),
    ),
    "factors of convolutions with their own constructor": (
        Edit(f"{_LAYERS}/tuners.py", " and _makes_factors(conv)", ""),
    ),
    "leaving out what peft refuses in Mamba": (
        Edit(_TARGETING, "gone = refused(model, config, candidates)", "gone = dict[str, str]()"),
    ),
    "the linear layer of e3nn": (
        Edit(f"{_LAYERS}/forms.py", '"e3nn.o3._linear.Linear": _paths,', ""),
    ),
}
"""The edits that take a mend out, by the mend."""


def edited(edit: Edit, core: Path = CORE) -> str:
    """Return the text of a file of the core after an edit.

    Raises:
        ValueError: The edit does not fit the source.
    """
    text = (core / edit.file).read_text()
    if text.count(edit.old) != 1:
        raise ValueError(f"{edit.file} has {edit.old!r} {text.count(edit.old)} times, not once")
    return text.replace(edit.old, edit.new)


def differing(edits: tuple[Edit, ...], nets: int = NETS, *, first: bool = False) -> list[int]:
    """Return the seeds of the nets that differ from peft without a mend.

    The core is imported in a forked process. Adapters are loaded in a fresh one only if no net
    differs before.

    Args:
        edits: What takes the mend out.
        nets: How many nets are compared.
        first: Whether to stop at the first that differs.

    Raises:
        ValueError: An edit does not fit the source.
        RuntimeError: The nets were not compared to the end.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(CORE, Path(folder, CORE.name), ignore=shutil.ignore_patterns("__pycache__"))
        for edit in edits:
            Path(folder, CORE.name, edit.file).write_text(edited(edit, Path(folder, CORE.name)))
        pid = os.fork()
        if not pid:
            _compare(folder, nets, first)
        _, status = os.waitpid(pid, 0)
        if status:
            raise RuntimeError(f"comparing ended with {os.waitstatus_to_exitcode(status)}")
        return [int(seed) for seed in Path(folder, "seeds").read_text().split()]


def _compare(folder: str, nets: int, first: bool) -> NoReturn:
    """Write the seeds of the nets that differ with the core in a folder, and end the process."""
    try:
        sys.path[:0] = [folder, str(HERE)]
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
        import campaign

        torch.set_num_threads(1)
        seeds = campaign.faults(range(nets), first=first) or campaign.compare(range(nets))
        Path(folder, "seeds").write_text(" ".join(map(str, sorted(seeds))))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def main() -> int:
    """Print the table; return 1 if nothing shows that a mend is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=NETS, help="how many nets")
    parser.add_argument("--only", nargs="*", help="the mends")
    parser.add_argument("--first", action="store_true", help="stop at the first net of each")
    options = parser.parse_args()
    print("| taken out | nets that differ | the first |\n| --- | --- | --- |", flush=True)
    unseen = 0
    for mend in options.only or MENDS:
        seeds = differing(MENDS[mend], options.n, first=options.first)
        unseen += not seeds
        print(f"| {mend} | {len(seeds)} | {min(seeds, default='')} |", flush=True)
    return int(unseen > 0)


if __name__ == "__main__":
    sys.exit(main())
