"""A continuous prefix on the keys and values of attention, and the network that it comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError

Network = Literal["identity", "linear", "mlp_narrow", "mlp", "mlp_wide", "residual", "search"]
"""The operation between embeddings and prefix, or the mixture of all that a search weighs."""


def _mlp(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, width))


@final
class Residual(nn.Module):
    """`x + MLP(x)`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = _mlp(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        y: Tensor = x + self.inner(x)
        return y


OPERATIONS: dict[str, Callable[[int], nn.Module]] = {
    "identity": lambda width: nn.Identity(),
    "linear": lambda width: nn.Linear(width, width),
    "mlp_narrow": lambda width: _mlp(width, max(width // 2, 1)),
    "mlp": lambda width: _mlp(width, width),
    "mlp_wide": lambda width: _mlp(width, 2 * width),
    "residual": Residual,
}
"""The search space: each operation by its name, as a function of the embeddings' width d."""


@final
class PrefixNetwork(nn.Module):
    """`P = sum_o softmax(alpha)_o f_o(E)`, or `P = f(E)` of one operation.

    Args:
        length: p, of the prefix.
        width: d, of the embeddings.
        network: an operation, or `search` for all with weights alpha.
    """

    alpha: nn.Parameter | None

    def __init__(self, length: int, width: int, network: str) -> None:
        super().__init__()
        names = list(OPERATIONS) if network == "search" else [network]
        self.embeddings = nn.Parameter(torch.randn(length, width))
        self.operations = nn.ModuleDict({name: OPERATIONS[name](width) for name in names})
        self.alpha = nn.Parameter(torch.zeros(len(names))) if network == "search" else None

    def forward(self) -> Tensor:
        """P (p, d), in the parameters' dtype or autocast's."""
        found = [operation(self.embeddings) for operation in self.operations.values()]
        if self.alpha is None:
            (only,) = found
            return only
        shares = self.alpha.softmax(0)
        return torch.stack([s * each for s, each in zip(shares, found, strict=True)]).sum(0)

    def shares(self) -> dict[str, float]:
        """The weight of each operation; they add up to 1."""
        found = torch.ones(1) if self.alpha is None else self.alpha.detach().softmax(0)
        return dict(zip(self.operations, found.tolist(), strict=True))

    def keep(self, name: str) -> None:
        """Remove every other operation, and alpha."""
        self.operations = nn.ModuleDict({name: self.operations[name]})
        self.alpha = None

    def restart(self) -> None:
        """Draw all values anew, in place."""
        with torch.no_grad():
            self.embeddings.normal_()
            if self.alpha is not None:
                self.alpha.zero_()
        for module in self.operations.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()


@final
class Shared:
    """What the layers of one adapter share without owning it: the one that owns it saves it."""

    def __init__(self) -> None:
        self.network: PrefixNetwork | None = None


@final
class Query:
    """The way of a query from its projection to the output projection of the same attention.

    Both ends are forward hooks on the layers, so that what is read is what the layer gave, however
    many adapters made it up; nothing is held between two calls of the attention.
    """

    def __init__(self) -> None:
        self.value: Tensor | None = None

    def note(self, layer: Any, inputs: Any, output: Tensor) -> None:
        """The hook on the projection of q."""
        self.value = output

    def drop(self, layer: Any, inputs: Any, output: Tensor) -> None:
        """The hook on the output projection."""
        self.value = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the value: a copy of a model starts with nothing under way."""
        return {"value": None}


@final
class Heads(NamedTuple):
    """How an attention's features are split.

    Attributes:
        queries: heads of q.
        keys: heads of k and v; each serves queries / keys heads of q, next to one another.
        size: features of a head.
    """

    queries: int
    keys: int
    size: int


def read_prefix(query: Tensor, keys: Tensor, values: Tensor, gate: Tensor) -> Tensor:
    """`g_h softmax(q_h K^T / sqrt(size)) V` of each head h.

    Args:
        query: (..., queries * size or more); what comes after q in a fused projection is left out.
        keys: (keys, p, size), in the dtype of the computation.
        values: as keys.
        gate: (queries,).

    Returns:
        (..., queries * size), heads one after another.
    """
    shared, _, size = keys.shape
    groups = len(gate) // shared
    split = query[..., : len(gate) * size].to(keys.dtype).unflatten(-1, (shared, groups, size))
    share = torch.einsum("...kgd,kpd->...kgp", split * size**-0.5, keys).softmax(-1)
    found = torch.einsum("...kgp,kpd->...kgd", share.to(values.dtype), values)
    weight = gate.to(found.dtype).view(shared, groups, 1)
    return (weight * found).flatten(-3)


QUERIES = ("num_heads", "num_attention_heads", "n_heads", "n_head", "heads")
KEYS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads")


def heads_of(
    around: list[Any], given: tuple[int | None, int | None], out: int, width: int, fused: bool
) -> Heads | str:
    """The heads of an attention.

    Args:
        around: the modules that q lies in, innermost first.
        given: heads of q and of k by the config, where it names them.
        out: output features of the projection of q.
        width: input features of the output projection.
        fused: whether that of q holds q, k and v.

    Returns:
        The heads, or why they cannot be known.
    """
    queries = given[0] or _number(around, QUERIES)
    if queries is None:
        return "the number of its heads is not known"
    size, rest = divmod(width, queries)
    if rest:
        return f"{width} features cannot be split among {queries} heads"
    keys = given[1] or _number(around, KEYS) or queries
    if fused and given[1] is None:
        keys = (out // size - queries) // 2
    expected = size * (queries + 2 * keys if fused else queries)
    if keys < 1 or queries % keys or out != expected:
        return f"with {queries} heads of size {size} its projection has {out} outputs"
    return Heads(queries, keys, size)


def _number(around: list[Any], names: tuple[str, ...]) -> int | None:
    for module in around:
        for holder in (module, getattr(module, "config", None)):
            found = [getattr(holder, name, None) for name in names]
            for each in found:
                if isinstance(each, int) and each > 0:
                    return each
    return None


def check_tokens(query: Tensor | None, x: Tensor, where: str) -> Tensor:
    """The query of the tokens that an output projection is about to see.

    Raises:
        AdapterError: there is none, or it is of other tokens.
    """
    remedy = "Set `prefix: 0` for LoRA alone, or leave this attention out"
    if query is None:
        rule = "its output projection runs without its projection of q before"
        raise AdapterError(f"prefix on {where}", rule, remedy)
    if query.shape[:-1] != x.shape[:-1]:
        rule = f"q has tokens {tuple(query.shape[:-1])}, the output {tuple(x.shape[:-1])}"
        raise AdapterError(f"prefix on {where}", rule, remedy)
    return query
