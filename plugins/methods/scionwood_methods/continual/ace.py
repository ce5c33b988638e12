"""ACE-LoRA: a history of fixed rank, and a penalty on the directions that overlap with it."""

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
"""The name of the LoRA adapter that holds what was learnt."""

NEGLIGIBLE = 1e-6
"""A direction of the history counts where its strength is more than this share of the largest."""


@final
class AceLora(ContinualMethod):
    """Past tasks in one frozen LoRA of fixed rank; the next keeps off the directions it shares.

    After a task, `[B_h, s B_t] [A_h; A_t]` is compressed to rank r_h (QR of both stacks, SVD of the
    small core, both in float64) and the task's adapter starts anew, so that memory does not grow.
    While a task trains, direction k of its adapter, `dW_k = s B_k A_k`, overlaps with the history's
    row space Q_h by `rho_k = |dW_k Q_h^T| / |dW_k| = |A_k Q_h^T| / |A_k|`; the penalty is
    `strength sum_k w_k |A_k Q_h^T|^2` with w_k = rho_k where rho_k > threshold, else 0, without a
    gradient of w_k.

    The history is an adapter of peft named `history`: active beside the task's, and mergeable.
    `scionwood.save_adapter(model, folder, name="history")` writes it for others.

    Args:
        rank: r_h, of the history.
        strength: of the penalty, without unit.
        threshold: the overlap from which a direction is held back, 0 to 1.
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
            found = f"rank={rank}, strength={strength}, threshold={threshold}"
            raise AdapterError(found, "rank >= 1, strength >= 0, 0 <= threshold <= 1")
        self.rank, self.strength, self.threshold = rank, strength, threshold
        self.adapter = adapter
        self._history: dict[str, tuple[Tensor, Tensor]] = {}
        self._bases: dict[str, Tensor] = {}

    def begin(self, model: PeftModel) -> None:
        """Add the empty history, at the first task."""
        lora_layers(model, self.adapter)
        if HISTORY not in model.peft_config:
            add_frozen(model, HISTORY, self.adapter, self.rank)

    def penalty(self, model: PeftModel, batch: Any) -> Tensor:
        """See the class."""
        if not self._bases:
            return torch.zeros(())
        terms = []
        for name, layer in lora_layers(model, self.adapter).items():
            a = matrices(layer, self.adapter)[1]
            shared = (a @ self._bases[name].to(a).T).square().sum(1)
            with torch.no_grad():
                rho = _overlap(shared, a)
                weight = torch.where(rho > self.threshold, rho, 0.0)
            terms.append((weight * shared).sum())
        return self.strength * torch.stack(terms).sum()

    def overlaps(self, model: PeftModel) -> dict[str, Tensor]:
        """How far each direction of the adapter lies in the history.

        Returns:
            By layer: rho (r,), 0 (orthogonal) to 1 (inside); empty before the first task ends.
        """
        found = {}
        for name, basis in self._bases.items():
            a = matrices(lora_layers(model, self.adapter)[name], self.adapter)[1].detach()
            found[name] = _overlap((a @ basis.to(a).T).square().sum(1), a)
        return found

    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Compress the task's adapter into the history and start it anew."""
        layers = lora_layers(model, self.adapter)
        for layer in layers.values():
            b_new, a_new = matrices(layer, self.adapter)
            b_old, a_old = matrices(layer, HISTORY)
            scaled = layer.scaling[self.adapter] * b_new.detach()
            factors = compress(
                torch.cat([b_old, scaled], 1), torch.cat([a_old, a_new.detach()]), self.rank
            )
            fill(layer, HISTORY, *factors)
        self._remember(model)
        restart(layers.values(), self.adapter)

    def state(self) -> dict[str, Tensor]:
        """`B:<layer>` and `A:<layer>` of the history."""
        found = {}
        for name, (b, a) in self._history.items():
            found[f"B:{name}"], found[f"A:{name}"] = b, a
        return found

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
    """The best approximation of `b @ a` in a rank, found without the product.

    Args:
        b: (out, n).
        a: (n, in).
        rank: of the result.

    Returns:
        B (out, rank) with orthogonal columns and A (rank, in) with orthogonal rows, of equal norms
        and in descending order; zeros fill up where the product has a lower rank.
    """
    left, upper = torch.linalg.qr(b.double())
    right, lower = torch.linalg.qr(a.double().T)
    u, sizes, v = torch.linalg.svd(upper @ lower.T, full_matrices=False)
    kept = min(rank, sizes.numel())
    root = sizes[:kept].sqrt()
    narrow_b, narrow_a = left @ u[:, :kept] * root, root[:, None] * (v[:kept] @ right.T)
    whole_b, whole_a = b.new_zeros(b.shape[0], rank), a.new_zeros(rank, a.shape[1])
    whole_b[:, :kept], whole_a[:kept] = narrow_b.to(b.dtype), narrow_a.to(a.dtype)
    return whole_b, whole_a


def _overlap(shared: Tensor, a: Tensor) -> Tensor:
    """The overlaps (r,) from |A_k Q^T|^2 (r,) and A (r, in); zero for a direction that is zero."""
    return shared.sqrt() / a.norm(dim=1).clamp_min(torch.finfo(a.dtype).tiny)
