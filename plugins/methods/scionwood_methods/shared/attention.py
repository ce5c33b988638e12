"""The attention blocks of a model, with their heads and projections."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch.nn as nn

from scionwood import AdapterError

VALUES = ("qkv", "v_proj", "value", "to_v")
OUTPUTS = ("proj", "o_proj", "out_proj")
"""Names of the layers of an attention block: values (or q, k and v in one), and the output."""


class Attention(NamedTuple):
    """An attention block: its name, its number of heads, and its layers of values and outputs."""

    name: str
    heads: int
    fused: bool
    value: Any
    output: Any

    @property
    def key_heads(self) -> int:
        """The heads of k and v, of which several heads of q may share one."""
        # The output projection reads the heads of q side by side, so it gives the size of a head.
        width = self.output.weight.shape[1] // self.heads
        return self.heads if self.fused else int(self.value.weight.shape[0]) // width


def attentions(model: nn.Module) -> list[Attention]:
    """Return the attention blocks of a model, in its order.

    Args:
        model: a model, with adapters or without.

    Raises:
        AdapterError: no block has layers of known names and a number of heads.
    """
    blocks = []
    for name, module in model.named_modules():
        children = dict(module.named_children())
        value = next((n for n in VALUES if n in children), None)
        output = next((n for n in OUTPUTS if n in children), None)
        heads = _heads(module)
        if value and output and heads:
            pair = children[value], children[output]
            blocks.append(Attention(name, heads, value == "qkv", *pair))
    if not blocks:
        rule = f"no attention with {' or '.join(VALUES)}, {' or '.join(OUTPUTS)} and num_heads"
        remedy = "Take a backbone with such blocks: a transformer of images or of text"
        raise AdapterError(type(model).__name__, rule, remedy)
    return blocks


def _heads(module: Any) -> int:
    config = getattr(module, "config", None)
    for owner, name in ((module, "num_heads"), (config, "num_attention_heads")):
        heads = getattr(owner, name, None)
        if isinstance(heads, int):
            return heads
    return 0
