"""The table of docs/layers.md, made by attaching, merging, saving and opening each layer.

Run `python tests/core/adapters/layers/support_matrix.py` to write the table into the page. Rows of
packages that are not installed stay as they are.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from layer_cases import CASES, METHODS, Case, available, config_of, model_of, unsettle
from peft import PeftModel

from scionwood.adapters import attach, merge, save_adapter
from scionwood.errors import AdapterError

PAGE = Path(__file__).parents[4] / "docs" / "layers.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
COLUMNS = ("layer", *METHODS, "merge", "LoRA opens in peft alone")


def row(name: str) -> str:
    """Return the row of a layer by doing what its columns say."""
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = [_attaches(case, method) for method in METHODS]
        works = [m for m, cell in zip(METHODS, cells, strict=True) if cell == "yes"]
        merged = all(_merges(case, method) for method in works)
        cells += ["yes" if merged else "no", "yes" if _opens(case) else "no"]
    return f"| {' | '.join([name, *cells])} |"


def rows(names: Iterable[str] = CASES) -> dict[str, str]:
    """Return the rows of layers, of those whose packages are installed."""
    return {name: row(name) for name in names if available(CASES[name])}


def written() -> dict[str, str]:
    """Return the rows of the page."""
    table = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return {line.split("|")[1].strip(): line for line in lines}


def write() -> None:
    """Write the table into the page."""
    new = written() | rows()
    head = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    table = "\n".join([*head, *(new[name] for name in CASES if name in new)])
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{table}\n{END}{after}", encoding="utf-8")


def _attached(case: Case, method: str) -> tuple[PeftModel, tuple[Any, ...]]:
    model, inputs = model_of(case)
    tuned = attach(model, config_of(method, case), head=(), example=inputs).eval()
    unsettle(tuned)
    return tuned, inputs


def _attaches(case: Case, method: str) -> str:
    if case.parameters and method == "ia3":
        return "no"  # IA3 has no target_parameters
    try:
        tuned, inputs = _attached(case, method)
    except AdapterError:
        return "no"
    base, _ = model_of(case)
    return "no" if torch.allclose(tuned(*inputs), base(*inputs), atol=1e-3) else "yes"


def _merges(case: Case, method: str) -> bool:
    tuned, inputs = _attached(case, method)
    wanted = tuned(*inputs)
    merge(tuned)
    return _same(tuned(*inputs), wanted)


def _opens(case: Case) -> bool:
    tuned, inputs = _attached(case, "lora")
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(tuned, folder)
        try:
            alone = PeftModel.from_pretrained(model_of(case)[0], folder).eval()
        except KeyError as error:
            if "scionwood.load_adapter" not in str(error):
                raise
            return False
        return _same(alone(*inputs), tuned(*inputs))


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= 1e-5 * max(1.0, float(other.abs().max())))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    write()
