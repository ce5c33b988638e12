"""Fused experts, the layout of transformers since version 5, with low-rank factors for some."""

from __future__ import annotations

import math
from typing import Any, final

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.shared.config import LowRankConfig
from scionwood_methods.shared.modules import ModuleAdapter

FUSED = ("gate_up_proj", "down_proj")
"""The weights of fused experts: (experts, 2 width, in) and (experts, in, width)."""


@final
class Factors(nn.Module):
    """Factors A (experts, r, in) and B (experts, out, r) of one fused weight, for some experts.

    Args:
        shape: the shape of the weight, (experts, out, in).
        experts: the experts that have factors, ascending.
        r: the rank.
    """

    index: Tensor

    def __init__(self, shape: torch.Size, experts: list[int], r: int) -> None:
        super().__init__()
        _, out, width = shape
        self.experts = experts
        self.A = nn.Parameter(torch.empty(len(experts), r, width))
        self.B = nn.Parameter(torch.zeros(len(experts), out, r))
        self.register_buffer("index", torch.tensor(experts, dtype=torch.int32))
        for matrix in self.A.data:
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))

    def change(self, expert: int, x: Tensor) -> Tensor:
        """Return `B A x` of one expert for x (tokens, in)."""
        k = self.experts.index(expert)
        return F.linear(F.linear(x, self.A[k].to(x.dtype)), self.B[k].to(x.dtype))

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *arguments: Any) -> None:
        index = state.get(prefix + "index")
        if index is not None and index.tolist() != self.experts:
            rule = f"the config has the experts {self.experts}"
            remedy = "Load the adapter with its own config"
            raise AdapterError(f"tensor {prefix}index {index.tolist()}", rule, remedy)
        super()._load_from_state_dict(state, prefix, *arguments)


@final
class ExpertsLayer(ModuleAdapter):
    """Fused experts; some have factors, `W_e + s B_e A_e` for both weights of an expert e.

    The base module computes the other experts: it receives the tokens that were routed to them,
    with one expert each. Experts with factors run here on their own tokens. The change of a weight
    is never formed, and other experts cause no extra work.
    """

    hellora_factors: Any
    adapter_layer_names = ("hellora_factors",)
    other_param_names = ("scaling", "dropout")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.hellora_factors, self.dropout = nn.ModuleDict(), nn.ModuleDict()
        self.scaling: dict[str, float] = {}

    def add(self, name: str, config: LowRankConfig, experts: list[int]) -> None:
        """Add an adapter on some experts; it changes nothing yet."""
        parts = {key: getattr(self.base_layer, key) for key in FUSED}
        factors = {key: Factors(p.shape, experts, config.r) for key, p in parts.items()}
        self.hellora_factors[name] = nn.ModuleDict(factors)
        self.dropout[name] = nn.Dropout(config.dropout)
        self.scaling[name] = config.scale
        # With peft's low_cpu_mem_usage the factors have no values yet; loading places them.
        if not any(p.is_meta for p in self.hellora_factors[name].parameters()):
            like = parts[FUSED[0]]
            self.hellora_factors[name].to(like.device, like.dtype)

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """Run the experts.

        Args:
            hidden_states: (tokens, in).
            top_k_index: (tokens, k) int64, the experts of each token.
            top_k_weights: (tokens, k), the weights of these experts.

        Returns:
            (tokens, in).
        """
        if self.disable_adapters and self.merged:
            self.unmerge()
        names = self.acting()
        if not names:
            out: Tensor = self.base_layer(hidden_states, top_k_index, top_k_weights)
            return out
        adapter_experts = sorted(
            {e for name in names for e in self._factors(name, FUSED[0]).experts}
        )
        tokens, parts = [], []
        for expert in adapter_experts:
            # A token has k experts, so it appears once for each of them and is summed up at the
            # end.
            token, place = (top_k_index == expert).nonzero(as_tuple=True)
            weight = top_k_weights[token, place, None]
            parts.append(self._expert(expert, hidden_states[token], names) * weight)
            tokens.append(token)
        is_unadapted = torch.isin(top_k_index, top_k_index.new_tensor(adapter_experts), invert=True)
        token, place = is_unadapted.nonzero(as_tuple=True)
        if len(token):
            pairs = top_k_index[token, place, None], top_k_weights[token, place, None]
            parts.append(self.base_layer(hidden_states[token], *pairs))
            tokens.append(token)
        outputs = torch.cat([part.to(hidden_states.dtype) for part in parts])
        return torch.zeros_like(hidden_states).index_add(0, torch.cat(tokens), outputs)

    def values(self, names: list[str]) -> dict[str, Tensor]:
        """See `ModuleAdapter.values`."""
        merged = {}
        for key in FUSED:
            total = self.base_layer.get_parameter(key).detach()
            kind = total.dtype
            for name in names:
                part = self._factors(name, key)
                wide = torch.promote_types(part.A.dtype, torch.float32)
                change = self.scaling[name] * (part.B.to(wide) @ part.A.to(wide))
                total = total.to(wide).index_add(0, part.index, change)
            merged[key] = total.to(kind)
        return merged

    def _expert(self, expert: int, x: Tensor, names: list[str]) -> Tensor:
        """Run one expert with its factors on its own tokens (tokens, in)."""
        first, last = FUSED
        inner = self.base_layer._apply_gate(self._run(first, expert, x, names))
        return self._run(last, expert, inner, names)

    def _run(self, key: str, expert: int, x: Tensor, names: list[str]) -> Tensor:
        y = F.linear(x, getattr(self.base_layer, key)[expert])
        for name in names:
            part = self._factors(name, key)
            if expert in part.experts:
                y = y + self.scaling[name] * part.change(expert, self.dropout[name](x))
        return y

    def _factors(self, name: str, key: str) -> Factors:
        part: Factors = self.hellora_factors[name][key]
        return part


def is_fused(module: Any) -> bool:
    """Whether a module holds all experts in 3-D weights, as transformers does since version 5."""
    weights = [getattr(module, key, None) for key in FUSED]
    return all(isinstance(weight, Tensor) and weight.dim() == 3 for weight in weights)
