"""Try every method on every kind of layer, and write the table of the results page.

python tests/methods/support/support_table.py
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from method_layers import KINDS, METHODS, adapted, example, trainable, unsettle

from scionwood import AdapterError

PAGE = Path(__file__).parents[3] / "docs" / "results" / "methods.md"
MARK = re.compile(r"(<!-- table: support -->\n).*?(<!-- end -->)", re.DOTALL)


def cell(method: str, kind: str) -> str:
    """Return the result: `refused`, `trains`, or `trains, merges`."""
    torch.manual_seed(0)
    try:
        model, x = unsettle(adapted(method, kind)), example(kind)
    except AdapterError:
        return "refused"
    before = model(x)
    before.square().mean().backward()
    if any(p.grad is None or not p.grad.any() for p in trainable(model).values()):
        return "broken"
    try:
        model.merge_adapter()
    except NotImplementedError:
        return "trains"
    return "trains, merges" if torch.allclose(model(x), before, rtol=1e-4, atol=1e-5) else "broken"


def table() -> str:
    """Return one line for each kind of layer, with one column for each method."""
    lines = [["layer", *METHODS], ["---"] * (1 + len(METHODS))]
    lines += [[kind, *(cell(method, kind) for method in METHODS)] for kind in KINDS]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def fill(text: str) -> str:
    """Return the page with a new table."""
    return MARK.sub(lambda match: match[1] + table() + match[2], text)


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
