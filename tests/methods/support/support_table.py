"""Try every method on every kind of layer and write the table of the README.

python tests/methods/support/support_table.py
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from method_layers import KINDS, METHODS, adapted, example, trainable, unsettle

from scionwood import AdapterError

CARD = Path(__file__).parents[3] / "plugins" / "methods" / "README.md"
MARK = re.compile(r"(<!-- table: support -->\n).*?(<!-- end -->)", re.DOTALL)


def cell(method: str, kind: str) -> str:
    """What happens: `refused`, `trains`, or `trains, merges`."""
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
    """One line for a kind of layer, one column for a method."""
    lines = [["layer", *METHODS], ["---"] * (1 + len(METHODS))]
    lines += [[kind, *(cell(method, kind) for method in METHODS)] for kind in KINDS]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def fill(text: str) -> str:
    """The page with the table made anew."""
    return MARK.sub(lambda found: found[1] + table() + found[2], text)


if __name__ == "__main__":
    CARD.write_text(fill(CARD.read_text(encoding="utf-8")), encoding="utf-8")
