"""PEML: LoRA on the projections of attention, and a shared continuous prefix on keys and values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final, get_args

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError, peft_method
from scionwood_methods.hellora.low_rank import LowRankLayer
from scionwood_methods.p2d_heads.tuner import ROLES
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
from scionwood_methods.shared.support import is_linear

LENGTH = 8
"""Tokens of the prefix where the config does not say."""

PROJECTIONS = {**ROLES, "q": "q", "k": "k", "v": "v", "o": "o", "qkv_proj": "qkv"}
"""What a projection is by the last part of its name; the rest has LoRA alone."""


@final
class Cached(NamedTuple):
    """A prefix, and the parameters that it was computed from."""

    state: Any
    held: list[Tensor]
    prefix: tuple[Tensor, Tensor]


@final
class PemlLayer(LowRankLayer):
    """LoRA; and on the output projection of attention `z_h + g_h softmax(q_h K_h^T / sqrt d) V_h`.

    z is what the projection reads, K and V are the prefix `P W_k`, `P W_v`, and q is what the
    projection of q gave for the same token, before any rotation or norm. See decision 0013 in the
    documentation for why the prefix has a softmax of its own.
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
        """Make this output projection read a prefix; the first one of an adapter owns its network.

        Args:
            name: of an adapter that is here.
            config: of it.
            heads: of the attention.
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
        """The output; an output projection reads the prefix beside what its attention found.

        Of several adapters each sees its own prefix alone, so that their changes add up.
        """
        added = {name: self._read(name, x) for name in names if name in self.heads}
        if not added:
            return super().adapted(x, names)
        out: Tensor = self.base_layer(sum(added.values(), start=x))
        for name in names:
            seen = (x + added[name] if name in added else x).to(working_dtype(x))
            out = self.slices[name].add(out, self.change(name, seen).to(out.dtype), -1)
        return out

    def prefix(self, name: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """K and V, computed once for as long as no parameter moves and no gradient is recorded.

        Args:
            name: of an adapter with a prefix here.
            dtype: of the result.

        Returns:
            Two of (keys, p, size).
        """
        network = self.shared[name].network
        assert network is not None
        parts = [self.peml_kv[name], *network.parameters()]
        fixed = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
        if not fixed or any(p.is_inference() for p in parts):
            return self._computed(name, network, dtype)
        state = (dtype, [(p.data_ptr(), p._version, p.device) for p in parts])
        found = self.cached.get(name)
        if found is None or found.state != state:
            held = [p.detach() for p in parts]  # so that no other tensor can have their addresses
            found = Cached(state, held, self._computed(name, network, dtype))
            self.cached[name] = found
        return found.prefix

    def _read(self, name: str, x: Tensor) -> Tensor:
        query = check_tokens(self.query and self.query.value, x, self.where)
        keys, values = self.prefix(name, working_dtype(x))
        return read_prefix(query, keys, values, self.peml_gate[name]).to(x.dtype)

    def _computed(
        self, name: str, network: PrefixNetwork, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        kv, heads = self.peml_kv[name], self.heads[name]
        found = nn.functional.linear(network().to(kv), kv).to(dtype)
        keys, values = found.unflatten(-1, (2, heads.keys, heads.size)).permute(1, 2, 0, 3)
        return keys, values

    def restart(self, name: str) -> None:
        """Take an adapter back to where training starts, in place."""
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
            reason = "the prefix of PEML depends on the query, so that no one weight equals it"
            raise NotImplementedError(reason)
        super().merge(safe_merge, adapter_names)


@final
class PemlModel(MethodTuner):
    """The tuner of PEML; it pairs the projection of q with the output projection behind it."""

    prefix = "peml_"
    tuner_layer_cls = PemlLayer

    def inject_adapter(
        self,
        model: nn.Module,
        adapter_name: str,
        autocast_adapter_dtype: bool = True,
        low_cpu_mem_usage: bool = False,
        state_dict: dict[str, Tensor] | None = None,
    ) -> None:
        """Put the layers in place.

        Raises:
            AdapterError: a prefix is demanded and no attention is there that can read one.
        """
        self._shared, self._waiting = Shared(), list[tuple[str, PemlLayer]]()
        rest = (autocast_adapter_dtype, low_cpu_mem_usage, state_dict)
        super().inject_adapter(model, adapter_name, *rest)
        config = self.peft_config[adapter_name]
        if config.prefix and self._shared.network is None:
            rule = "no attention has both its projection of q (or qkv) and of its output adapted"
            remedy = "Target both, name them in `roles`, or set `prefix: 0` for LoRA alone"
            raise AdapterError(f"peml with prefix={config.prefix}", rule, remedy)

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """See `MethodTuner.fill`."""
        super().fill(layer, config, name, key)
        layer.shared[name] = self._shared
        role = config.roles.get(key.rpartition(".")[2])
        if config.prefix == 0 or not is_linear(layer.base_layer):
            return
        if role in ("q", "qkv"):
            self._waiting = [(key, layer)]
        elif role == "o" and self._waiting and _same_attention(self._waiting[0][0], key):
            self._join(*self._waiting.pop(), layer, key, name)

    def _join(self, start: str, first: PemlLayer, last: PemlLayer, key: str, name: str) -> None:
        config: Any = self.peft_config[name]
        parent = start.rpartition(".")[0]
        around = [self.model.get_submodule(p) for p in (parent, parent.rpartition(".")[0])]
        fused = config.roles[start.rpartition(".")[2]] == "qkv"
        out, width = first.base_layer.weight.shape[0], last.base_layer.weight.shape[1]
        given = (config.num_heads, config.num_kv_heads)
        heads = heads_of(around, given, out, width, fused)
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
    """LoRA on the projections of attention, and one continuous prefix that its keys and values add.

    Embeddings E (p, d) go through a network, `P = f(E)`; both are shared by all layers, and each
    attention has `K = P W_k`, `V = P W_v` and a gate g_h for each head, zero at the start. Which
    network, a search can find: see `scionwood_methods.peml.search`. `scionwood fit` does not
    search: name an operation there. LoRA also goes to targets outside of attention.

    The prefix is read through the projection of q and that of the output, so that it needs no mask,
    no position and no place in a cache, and serves any kernel of attention. An attention without
    an output projection has none. A prefix cannot be merged.

    Trainable parameters: of a layer r (in + out); of an attention 2 p_heads * size * d + heads,
    p_heads those of k; once p d, and of the network 0 (identity), d^2 + d (linear), d^2 + 3 d / 2
    (mlp_narrow, d even), 2 d^2 + 2 d (mlp, residual), 4 d^2 + 3 d (mlp_wide), all of these and 6
    (search).

    Shapes: x (..., in), float; E and P (p, d), K and V (heads of k, p, size).

    Args:
        prefix: p, 2 or more; 0 for LoRA alone. None: 8 wherever an attention can read it, none
            where there is no such attention, which a number would refuse.
        width: d.
        network: an operation, or `search`.
        num_heads: of an attention, where its module does not say.
        num_kv_heads: of k and v with grouped queries, where the module does not say.
        roles: what a projection is, by the last part of its name: q, k, v, o, or qkv for a fused
            one with all of q first.

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
        """Refuse a prefix that is none.

        Raises:
            AdapterError: naming the option.
        """
        super().__post_init__()
        if self.prefix is not None and (self.prefix < 0 or self.prefix == 1):
            rule = "a prefix has 2 tokens or more: the softmax over one is 1 whatever its key"
            raise AdapterError(f"prefix={self.prefix}", rule, "0 is LoRA alone")
        if self.width < 1:
            raise AdapterError(f"width={self.width}", "the embeddings have 1 feature or more")
        if self.network not in get_args(Network):
            rule = f"it is one of {', '.join(get_args(Network))}"
            raise AdapterError(f"network={self.network!r}", rule)
        if wrong := set(self.roles.values()) - {"q", "k", "v", "o", "qkv"}:
            raise AdapterError(f"roles with {sorted(wrong)}", "a role is q, k, v, o or qkv")


def _same_attention(query: str, output: str) -> bool:
    """Whether two projections lie in one module, or the second beside the first's module."""
    parent, other = query.rpartition(".")[0], output.rpartition(".")[0]
    beside = parent.rpartition(".")[0]
    return other == parent or bool(beside and other.rpartition(".")[0] == beside)
