"""ACE-LoRA: a history of fixed rank, and a penalty on directions that overlap with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, final

import torch
from peft import PeftModel
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.continual.controller import ContinualMethod
from scionwood_methods.continual.factors import add_frozen, fill, lora_layers, matrices, restart

HISTORY = "history"
"""The name of the LoRA adapter that holds what the past tasks learned."""

# A zero singular value leaves the SVD in float64 as about 1e-16 of the largest one. The rows of A
# have the root of it as their norm, 1e-8.
NEGLIGIBLE = 1e-6
"""Directions of the history below this share of its largest strength are ignored."""


@final
class AceLora(ContinualMethod):
    """Past tasks in one frozen LoRA of fixed rank; a penalty keeps the next task away from it.

    After a task, `[B_h, s B_t] [A_h; A_t]` is compressed to rank r_h by QR of both stacks and SVD
    of the small core, all in float64. The adapter of the task is then reset, so that memory does
    not grow. During a task, direction k of its adapter, `dW_k = s B_k A_k`, has the overlap
    `rho_k = |dW_k Q_h^T| / |dW_k| = |A_k Q_h^T| / |A_k|` with the row space Q_h of the history. The
    penalty is `strength sum_k w_k |A_k Q_h^T|^2`, with w_k = rho_k if rho_k > threshold, else 0.
    No gradient flows through w_k.

    The history is a peft adapter named `history`. It is active next to the adapter of the task,
    and it can be merged. `scionwood.save_adapter(model, folder, name="history")` saves it alone.

    Args:
        rank: the rank r_h of the history.
        strength: the factor of the penalty, without unit.
        threshold: the overlap above which a direction is penalised, 0 to 1.
        adapter: the name of the LoRA adapter that trains.

    Raises:
        AdapterError: an option is out of its range.

    Source: a reconstruction from the abstract of arXiv 2605.14948 (adaptive orthogonal decoupling,
    rank-invariant compression of history); equations and defaults are ours, not the authors'.
    """

    name = "ace_lora_edit"

    def __init__(
        self,
        *,
        rank: int = 16,
        strength: float = 1.0,
        threshold: float = 0.1,
        adapter: str = "default",
    ) -> None:
        if rank < 1 or strength < 0 or not 0 <= threshold <= 1:
            value = f"rank={rank}, strength={strength}, threshold={threshold}"
            raise AdapterError(value, "rank >= 1, strength >= 0, 0 <= threshold <= 1")
        self.rank, self.strength, self.threshold = rank, strength, threshold
        self.adapter = adapter
        self._history: dict[str, tuple[Tensor, Tensor]] = {}
        self._bases: dict[str, Tensor] = {}

    def begin(self, model: PeftModel) -> None:
        """Add an empty history at the first task."""
        lora_layers(model, self.adapter)
        if HISTORY not in model.peft_config:
            add_frozen(model, HISTORY, self.adapter, self.rank)

    def penalty(self, model: PeftModel, batch: Any) -> Tensor:
        """Return the penalty; see the class."""
        if not self._bases:
            return torch.zeros(())
        terms = []
        for name, layer in lora_layers(model, self.adapter).items():
            a = matrices(layer, self.adapter)[1]
            # |A_k Q_h^T|^2 of each direction k. B_k is not needed: it cancels in rho_k, and a
            # gradient through A alone can leave the row space of the history.
            shared = (a @ self._bases[name].to(a).T).square().sum(1)
            with torch.no_grad():
                rho = _overlap(shared, a)
                weight = torch.where(rho > self.threshold, rho, 0.0)
            terms.append((weight * shared).sum())
        return self.strength * torch.stack(terms).sum()

    def overlaps(self, model: PeftModel) -> dict[str, Tensor]:
        """Return the overlap of each direction of the adapter with the history.

        Returns:
            rho (r,) by layer, 0 (orthogonal) to 1 (inside); empty before the first task ends.
        """
        overlaps = {}
        for name, basis in self._bases.items():
            a = matrices(lora_layers(model, self.adapter)[name], self.adapter)[1].detach()
            overlaps[name] = _overlap((a @ basis.to(a).T).square().sum(1), a)
        return overlaps

    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Compress the adapter of the task into the history, and reset the adapter."""
        layers = lora_layers(model, self.adapter)
        for layer in layers.values():
            b_new, a_new = matrices(layer, self.adapter)
            b_old, a_old = matrices(layer, HISTORY)
            # The history has scale 1, so the scale s of the task goes into B.
            scaled = layer.scaling[self.adapter] * b_new.detach()
            factors = compress(
                torch.cat([b_old, scaled], 1), torch.cat([a_old, a_new.detach()]), self.rank
            )
            fill(layer, HISTORY, *factors)
        self._remember(model)
        restart(layers.values(), self.adapter)

    def state(self) -> dict[str, Tensor]:
        """Return `B:<layer>` and `A:<layer>` of the history."""
        state = {}
        for name, (b, a) in self._history.items():
            state[f"B:{name}"], state[f"A:{name}"] = b, a
        return state

    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Add the history to a model; see `ContinualMethod.restore`."""
        layers = lora_layers(model, self.adapter)
        expected = {f"{letter}:{name}" for letter in "AB" for name in layers}
        ranks = {value.shape[0] for key, value in state.items() if key.startswith("A:")}
        if state.keys() != expected or ranks != {self.rank}:
            rule = f"it is not of rank {self.rank} for the layers of adapter {self.adapter!r}"
            raise AdapterError(
                "history", rule, "Use the model and the rank of the run that wrote it"
            )
        add_frozen(model, HISTORY, self.adapter, self.rank)
        for name, layer in layers.items():
            fill(layer, HISTORY, state[f"B:{name}"], state[f"A:{name}"])
        self._remember(model)

    def _remember(self, model: PeftModel) -> None:
        for name, layer in lora_layers(model, HISTORY).items():
            b, a = (value.detach() for value in matrices(layer, HISTORY))
            self._history[name] = (b, a)
            norms = a.norm(dim=1, keepdim=True)
            alive = (norms > NEGLIGIBLE * norms.max()).flatten()
            self._bases[name] = a[alive] / norms[alive]  # compress() made its rows orthogonal


def compress(b: Tensor, a: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the best approximation of `b @ a` of a rank, without forming the product.

    Args:
        b: (out, n).
        a: (n, in).
        rank: the rank of the result.

    Returns:
        B (out, rank) with orthogonal columns and A (rank, in) with orthogonal rows. Both have equal
        norms in descending order, and zeros if the product has a lower rank.
    """
    left, upper = torch.linalg.qr(b.double())
    right, lower = torch.linalg.qr(a.double().T)
    u, sizes, v = torch.linalg.svd(upper @ lower.T, full_matrices=False)
    count = min(rank, sizes.numel())
    root = sizes[:count].sqrt()
    narrow_b, narrow_a = left @ u[:, :count] * root, root[:, None] * (v[:count] @ right.T)
    whole_b, whole_a = b.new_zeros(b.shape[0], rank), a.new_zeros(rank, a.shape[1])
    whole_b[:, :count], whole_a[:count] = narrow_b.to(b.dtype), narrow_a.to(a.dtype)
    return whole_b, whole_a


def _overlap(shared: Tensor, a: Tensor) -> Tensor:
    """Return overlaps (r,) from |A_k Q^T|^2 (r,) and A (r, in); a zero direction has overlap 0."""
    overlap: Tensor = shared.sqrt() / a.norm(dim=1).clamp_min(torch.finfo(a.dtype).tiny)
    return overlap
