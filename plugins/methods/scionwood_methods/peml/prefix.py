"""A continuous prefix on the keys and values of attention, and the network that computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError

Network = Literal["identity", "linear", "mlp_narrow", "mlp", "mlp_wide", "residual", "search"]
"""The operation from embeddings to prefix; `search` is a weighted mixture of all operations."""


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
"""The search space: a function of the width d of the embeddings by the name of the operation."""


@final
class PrefixNetwork(nn.Module):
    """`P = f(E)` for one operation, or `P = sum_o softmax(alpha)_o f_o(E)` for all.

    Args:
        length: the length p of the prefix.
        width: the width d of the embeddings.
        network: an operation, or `search` for all operations with weights alpha.
    """

    alpha: nn.Parameter | None

    def __init__(self, length: int, width: int, network: str) -> None:
        super().__init__()
        names = list(OPERATIONS) if network == "search" else [network]
        self.embeddings = nn.Parameter(torch.randn(length, width))
        self.operations = nn.ModuleDict({name: OPERATIONS[name](width) for name in names})
        self.alpha = nn.Parameter(torch.zeros(len(names))) if network == "search" else None

    def forward(self) -> Tensor:
        """Return P (p, d) in the dtype of the parameters or of autocast."""
        outputs = [operation(self.embeddings) for operation in self.operations.values()]
        if self.alpha is None:
            only: Tensor
            (only,) = outputs
            return only
        shares = self.alpha.softmax(0)
        return torch.stack([s * output for s, output in zip(shares, outputs, strict=True)]).sum(0)

    def shares(self) -> dict[str, float]:
        """Return the weight of each operation; they add up to 1."""
        weights = torch.ones(1) if self.alpha is None else self.alpha.detach().softmax(0)
        return dict(zip(self.operations, weights.tolist(), strict=True))

    def keep(self, name: str) -> None:
        """Remove every other operation, and alpha."""
        self.operations = nn.ModuleDict({name: self.operations[name]})
        self.alpha = None

    def restart(self) -> None:
        """Draw new random values in place."""
        with torch.no_grad():
            self.embeddings.normal_()
            if self.alpha is not None:
                self.alpha.zero_()
        for module in self.operations.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()


@final
class Shared:
    """What the layers of one adapter share; one of them owns the network and saves it."""

    def __init__(self) -> None:
        self.network: PrefixNetwork | None = None


@final
class Query:
    """Carries a query from its projection to the output projection of the same attention.

    Both ends are forward hooks, so the query is the output of the layer with all its adapters.
    Nothing is stored between two calls of the attention.
    """

    def __init__(self) -> None:
        self.value: Tensor | None = None

    def note(self, layer: Any, inputs: Any, output: Tensor) -> None:
        """Store the query; the hook on the projection of q."""
        self.value = output

    def drop(self, layer: Any, inputs: Any, output: Tensor) -> None:
        """Forget the query; the hook on the output projection."""
        self.value = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the query, so that a copied model starts without one."""
        return {"value": None}


@final
class Heads(NamedTuple):
    """How the features of an attention block are split.

    Attributes:
        queries: the number of heads of q.
        keys: the number of heads of k and v; each serves queries / keys adjacent heads of q.
        size: the number of features of a head.
    """

    queries: int
    keys: int
    size: int


def read_prefix(query: Tensor, keys: Tensor, values: Tensor, gate: Tensor) -> Tensor:
    """Return `g_h softmax(q_h K^T / sqrt(size)) V` of each head h.

    Args:
        query: (..., queries * size or more); further features of a fused projection are ignored.
        keys: (keys, p, size), in the dtype of the computation.
        values: as keys.
        gate: (queries,).

    Returns:
        (..., queries * size), head after head.
    """
    shared, _, size = keys.shape
    groups = len(gate) // shared
    # A fused projection gives q first, then k and v.
    split = query[..., : len(gate) * size].to(keys.dtype)
    split = split.reshape(*query.shape[:-1], shared, groups, size)
    share = torch.einsum("...kgd,kpd->...kgp", split * size**-0.5, keys).softmax(-1)
    read = torch.einsum("...kgp,kpd->...kgd", share.to(values.dtype), values)
    weight = gate.to(read.dtype).view(shared, groups, 1)
    return (weight * read).flatten(-3)


QUERIES = ("num_heads", "num_attention_heads", "n_heads", "n_head", "heads")
KEYS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads")


def heads_of(
    ancestors: list[Any],
    head_counts: tuple[int | None, int | None],
    out: int,
    width: int,
    fused: bool,
) -> Heads | str:
    """Return the heads of an attention block.

    Args:
        ancestors: the modules that contain q, innermost first.
        head_counts: the numbers of heads of q and of k in the config; `None` if it gives none.
        out: the number of output features of the projection of q.
        width: the number of input features of the output projection.
        fused: whether the projection of q also computes k and v.

    Returns:
        The heads, or the reason why they cannot be determined.
    """
    queries = head_counts[0] or _number(ancestors, QUERIES)
    if queries is None:
        return "the number of its heads is not known"
    size, remainder = divmod(width, queries)
    if remainder:
        return f"{width} features cannot be split among {queries} heads"
    keys = head_counts[1] or _number(ancestors, KEYS) or queries
    if fused and head_counts[1] is None:
        keys = (out // size - queries) // 2
    expected = size * (queries + 2 * keys if fused else queries)
    if keys < 1 or queries % keys or out != expected:
        return f"with {queries} heads of size {size} its projection has {out} outputs"
    return Heads(queries, keys, size)


def _number(ancestors: list[Any], names: tuple[str, ...]) -> int | None:
    for module in ancestors:
        for holder in (module, getattr(module, "config", None)):
            for name in names:
                number = getattr(holder, name, None)
                if isinstance(number, int) and number > 0:
                    return number
    return None


def check_tokens(query: Tensor | None, x: Tensor, where: str) -> Tensor:
    """Return the query of the tokens that an output projection receives.

    Raises:
        AdapterError: there is no query, or it belongs to other tokens.
    """
    remedy = "Set `prefix: 0` for LoRA alone, or leave this attention out"
    if query is None:
        rule = "its output projection runs before its projection of q"
        raise AdapterError(f"prefix on {where}", rule, remedy)
    if query.shape[:-1] != x.shape[:-1]:
        rule = f"q has tokens {tuple(query.shape[:-1])}, its output {tuple(x.shape[:-1])}"
        raise AdapterError(f"prefix on {where}", rule, remedy)
    return query
