"""PEML: LoRA on the projections of attention, and a shared continuous prefix on keys and values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final, get_args

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError
from scionwood.authoring import peft_method
from scionwood_methods.peml.prefix import (
    Heads,
    Network,
    PrefixNetwork,
    Query,
    Shared,
    check_tokens,
    heads_of,
    read_prefix,
)
from scionwood_methods.shared.config import LowRankConfig
from scionwood_methods.shared.layers import MethodTuner, working_dtype
from scionwood_methods.shared.low_rank import LowRankLayer
from scionwood_methods.shared.roles import ROLES, check_roles
from scionwood_methods.shared.support import is_linear

LENGTH = 8
"""The number of tokens of the prefix if the config gives none."""

PROJECTIONS = {**ROLES, "q": "q", "k": "k", "v": "v", "o": "o", "qkv_proj": "qkv"}
"""The role of a projection by the last part of its name; other layers get only LoRA."""


@final
class Cached(NamedTuple):
    """A prefix with the parameters from which it was computed."""

    state: Any
    parameters: list[Tensor]
    prefix: tuple[Tensor, Tensor]


@final
class PemlLayer(LowRankLayer):
    """LoRA; on the output projection of attention also `z_h + g_h softmax(q_h K_h^T / sqrt d) V_h`.

    z is the input of the output projection. K and V are the prefix, `P W_k` and `P W_v`. q is the
    output of the projection of q for the same token, before any rotation or norm. Decision 0013 in
    the documentation explains why the prefix has its own softmax.
    """

    peml_A: Any
    peml_B: Any
    peml_kv: Any
    peml_gate: Any
    peml_network: Any
    adapter_layer_names = ("peml_A", "peml_B", "peml_kv", "peml_gate", "peml_network")
    other_param_names = (*LowRankLayer.other_param_names, "heads", "shared", "cached")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.peml_kv, self.peml_gate = nn.ParameterDict(), nn.ParameterDict()
        self.peml_network = nn.ModuleDict()
        self.query: Query | None = None
        self.where = ""
        self.heads: dict[str, Heads] = {}
        self.shared: dict[str, Shared] = {}
        self.cached: dict[str, Cached] = {}

    def add_prefix(self, name: str, config: PemlConfig, heads: Heads) -> None:
        """Add a prefix to this output projection; the first one of an adapter owns its network.

        Args:
            name: the name of an adapter of this layer.
            config: its config.
            heads: the heads of the attention block.
        """
        shared, self.heads[name] = self.shared[name], heads
        if shared.network is None:
            length = LENGTH if config.prefix is None else config.prefix
            shared.network = PrefixNetwork(length, config.width, config.network)
            self.peml_network[name] = shared.network
        kv = torch.empty(2 * heads.keys * heads.size, config.width)
        nn.init.kaiming_uniform_(kv, a=math.sqrt(5))
        self.peml_kv[name] = nn.Parameter(kv)
        self.peml_gate[name] = nn.Parameter(torch.zeros(heads.queries))
        self._move_adapter_to_device_of_base_layer(name)

    def adapted(self, x: Tensor, names: list[str]) -> Tensor:
        """Return the output; an output projection adds the prefix to its input.

        With several adapters each one uses only its own prefix, so that their changes add up.
        """
        added = {name: self._read(name, x) for name in names if name in self.heads}
        if not added:
            return super().adapted(x, names)
        # The base is linear: its product with all added inputs is the sum of what each prefix adds.
        out: Tensor = self.base_layer(sum(added.values(), start=x))
        for name in names:
            # LoRA of an adapter multiplies the input with its own prefix; that of another one would
            # add a product of two adapters.
            layer_input = (x + added[name] if name in added else x).to(working_dtype(x))
            out = self.slices[name].add(out, self.change(name, layer_input).to(out.dtype), -1)
        return out

    def prefix(self, name: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return K and V; without gradients they are computed again only if a parameter changes.

        Args:
            name: the name of an adapter with a prefix in this layer.
            dtype: the dtype of the result.

        Returns:
            Two tensors (keys, p, size).
        """
        network = self.shared[name].network
        assert network is not None
        parts = [self.peml_kv[name], *network.parameters()]
        # The version of a tensor counts its changes in place, so that training between two
        # evaluations is seen. Tensors of inference mode have no version.
        fixed = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
        if not fixed or any(p.is_inference() for p in parts):
            return self._computed(name, network, dtype)
        state = (dtype, [(p.data_ptr(), p._version, p.device) for p in parts])
        cached = self.cached.get(name)
        if cached is None or cached.state != state:
            alive = [p.detach() for p in parts]  # no other tensor can get their addresses
            cached = Cached(state, alive, self._computed(name, network, dtype))
            self.cached[name] = cached
        return cached.prefix

    def _read(self, name: str, x: Tensor) -> Tensor:
        query = check_tokens(self.query and self.query.value, x, self.where)
        keys, values = self.prefix(name, working_dtype(x))
        return read_prefix(query, keys, values, self.peml_gate[name]).to(x.dtype)

    def _computed(
        self, name: str, network: PrefixNetwork, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        kv, heads = self.peml_kv[name], self.heads[name]
        flat = nn.functional.linear(network().to(kv), kv).to(dtype)
        split = flat.view(len(flat), 2, heads.keys, heads.size)
        keys, values = split.permute(1, 2, 0, 3)
        return keys, values

    def restart(self, name: str) -> None:
        """Reset an adapter to its initial distribution, in place."""
        a, b = self.factors(name)
        nn.init.kaiming_uniform_(a, a=math.sqrt(5))
        nn.init.zeros_(b)
        if name in self.heads:
            nn.init.kaiming_uniform_(self.peml_kv[name], a=math.sqrt(5))
            nn.init.zeros_(self.peml_gate[name])
        if name in self.peml_network:
            self.peml_network[name].restart()

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """See `AdapterLayer.merge`.

        Raises:
            NotImplementedError: an adapter has a prefix, here or in another layer.
        """
        names = self.active_adapters if adapter_names is None else adapter_names
        if any(self.shared[n].network is not None for n in names if n in self.shared):
            reason = "the prefix of PEML depends on the query, so that no single weight equals it"
            raise NotImplementedError(reason)
        super().merge(safe_merge, adapter_names)


@final
class PemlModel(MethodTuner):
    """The tuner of PEML; it pairs each projection of q with the output projection after it."""

    prefix = "peml_"
    tuner_layer_cls = PemlLayer

    def prepare(self, model: nn.Module, config: Any, name: str, keys: list[str]) -> None:
        """Create what the layers of an adapter share."""
        self._shared, self._waiting = Shared(), list[tuple[str, PemlLayer]]()

    def finish(self, config: Any, name: str) -> None:
        """Check that some attention block uses the prefix.

        Raises:
            AdapterError: a prefix is required, but no attention block can use one.
        """
        if config.prefix and self._shared.network is None:
            rule = "no attention has both its projection of q (or qkv) and of its output adapted"
            remedy = "Target both, name them in `roles`, or set `prefix: 0` for LoRA alone"
            raise AdapterError(f"peml with prefix={config.prefix}", rule, remedy)

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """Add LoRA to a layer, and a prefix to an attention block whose layers are complete."""
        super().fill(layer, config, name, key)
        layer.shared[name] = self._shared
        role = config.roles.get(key.rpartition(".")[2])
        if config.prefix == 0 or not is_linear(layer.base_layer):
            return
        if role in ("q", "qkv"):
            # Layers come in the order of the model: the next output projection belongs to this q.
            self._waiting = [(key, layer)]
        elif role == "o" and self._waiting and _same_attention(self._waiting[0][0], key):
            self._join(*self._waiting.pop(), layer, key, name)

    def _join(self, start: str, first: PemlLayer, last: PemlLayer, key: str, name: str) -> None:
        config: Any = self.peft_config[name]
        parent = start.rpartition(".")[0]
        ancestors = [self.model.get_submodule(p) for p in (parent, parent.rpartition(".")[0])]
        fused = config.roles[start.rpartition(".")[2]] == "qkv"
        out, width = first.base_layer.weight.shape[0], last.base_layer.weight.shape[1]
        head_counts = (config.num_heads, config.num_kv_heads)
        heads = heads_of(ancestors, head_counts, out, width, fused)
        if isinstance(heads, str):
            remedy = "Give num_heads and num_kv_heads, or set `prefix: 0` for LoRA alone"
            raise AdapterError(f"peml on {start} and {key}", heads, remedy)
        if last.query is None:
            last.query, last.where = Query(), key
            first.register_forward_hook(last.query.note)
            last.register_forward_hook(last.query.drop)
        last.add_prefix(name, config, heads)


@peft_method("peml", tuner=PemlModel)
@final
@dataclass
class PemlConfig(LowRankConfig):
    """LoRA on the projections of attention, and a continuous prefix for its keys and values.

    Embeddings E (p, d) pass through a network, `P = f(E)`; all layers share both. Each attention
    block has `K = P W_k`, `V = P W_v` and a gate g_h for each head, which starts at zero. A search
    can choose the network, see `scionwood_methods.peml.search`. `scionwood fit` does not search,
    so name an operation there. Targets outside of attention get LoRA.

    The prefix is added between the projections of q and of the output. It therefore needs no
    mask, no position and no place in a cache, and works with any attention kernel. A block without
    an output projection gets no prefix. A prefix cannot be merged.

    Trainable parameters: r (in + out) for each layer; 2 p_heads * size * d + heads for each
    attention block, with p_heads the heads of k; p d for the embeddings. The network has 0
    (identity), d^2 + d (linear), d^2 + 3 d / 2 (mlp_narrow, d even), 2 d^2 + 2 d (mlp, residual) or
    4 d^2 + 3 d (mlp_wide); `search` has the sum of all and 6 more.

    Shapes: x (..., in), float; E and P (p, d), K and V (heads of k, p, size).

    Args:
        prefix: the length p, 2 or more; 0 means LoRA alone. `None` means 8 if an attention block
            can use a prefix, else 0; a number raises an error if none can.
        width: the width d of the embeddings.
        network: an operation, or `search`.
        num_heads: the number of heads of an attention block if its module does not give it.
        num_kv_heads: the number of heads of k and v with grouped queries, if the module does not
            give it.
        roles: the role of a projection by the last part of its name: q, k, v, o, or qkv for a
            fused layer with all of q first.

    Source: a reconstruction from notes on arXiv 2605.14055 (LoRA, a shared prefix on keys and
    values, differentiable search of its network); equations, search space and defaults are ours.
    """

    prefix: int | None = None
    width: int = 64
    network: Network = "mlp"
    num_heads: int | None = None
    num_kv_heads: int | None = None
    roles: dict[str, str] = field(default_factory=PROJECTIONS.copy)

    def __post_init__(self) -> None:
        """Check the prefix and its network.

        Raises:
            AdapterError: naming the option that has a wrong value.
        """
        super().__post_init__()
        if self.prefix is not None and (self.prefix < 0 or self.prefix == 1):
            rule = "a prefix needs at least 2 tokens, because the softmax over one token is 1"
            raise AdapterError(f"prefix={self.prefix}", rule, "Give 0 for LoRA alone")
        if self.width < 1:
            raise AdapterError(f"width={self.width}", "the embeddings need at least 1 feature")
        if self.network not in get_args(Network):
            rule = f"it must be one of {', '.join(get_args(Network))}"
            raise AdapterError(f"network={self.network!r}", rule)
        check_roles(self.roles)


def _same_attention(query: str, output: str) -> bool:
    """Whether two projections lie in one module, or the second lies beside the first's module."""
    parent, other = query.rpartition(".")[0], output.rpartition(".")[0]
    grandparent = parent.rpartition(".")[0]
    return other == parent or bool(grandparent and other.rpartition(".")[0] == grandparent)
