"""iGSP: add experts for each task, constrain them by past gradients, and prune them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, final

import torch
from peft import PeftModel
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.continual.controller import ContinualMethod
from scionwood_methods.igsp.pruning import (
    close_rare,
    compact,
    expand,
    mean_shares,
    mixtures,
    watched,
)
from scionwood_methods.igsp.tuner import IgspLayer

BUFFER = 32
"""Rows that are collected before they are compressed, as a multiple of the history's rank."""


@final
class Igsp(ContinualMethod):
    """Two phases for each task, on a mixture of LoRA experts (`methods/igsp`).

    Phase 1 takes `warm` steps. The first task trains the existing experts. A later task adds
    `candidates` to each layer and trains only these; the older experts are frozen, bit for bit.
    The gradient g of the candidates' A is pulled towards the historical subspace Q (rank, in). The
    penalty `(strength / 2) |g (I - Q^T Q)|^2` would need second derivatives. Its proximal step
    replaces it: the part of g outside of Q is divided by `1 + strength`. At the end of the phase,
    candidates with a mean routing probability below `threshold` are closed. In the first task the
    best expert of a layer always stays.

    In phase 2 the structure is fixed. The remaining candidates fit the residual, and their
    gradients are free. At the end of the task the closed experts are removed, also from the file,
    and the gradients of the task join the history. Q spans the leading right singular vectors of
    all past gradients of A, stored as (rank, in) for each layer.

    New routes take some share from old ones, so a little is forgotten; `opening` is their initial
    bias.

    Args:
        warm: the number of steps of phase 1.
        threshold: the lowest mean routing probability of a candidate, 0 to 1.
        candidates: the number of experts that a later task adds to each layer.
        strength: the factor of the subspace penalty, 0 or more, without unit.
        rank: the rank of the historical subspace.
        opening: the initial bias of a candidate's route; 0 would give it an equal share at once.
        adapter: the name of the iGSP adapter that trains.

    Raises:
        AdapterError: an option is out of its range.

    Source: a reconstruction from the abstract of arXiv 2605.19301 (expansion, subspace-constrained
    regulariser, pruning by routes, then fitting the residual); equations and defaults are ours.
    """

    name = "igsp"

    def __init__(
        self,
        *,
        warm: int = 100,
        threshold: float = 0.05,
        candidates: int = 2,
        strength: float = 1.0,
        rank: int = 16,
        opening: float = -1.0,
        adapter: str = "default",
    ) -> None:
        if min(warm, candidates, rank) < 1 or strength < 0 or not 0 <= threshold <= 1:
            value = f"warm={warm}, candidates={candidates}, rank={rank}, strength={strength}"
            rule = "counts must be at least 1, strength >= 0, 0 <= threshold <= 1"
            raise AdapterError(f"{value}, threshold={threshold}", rule)
        self.warm, self.threshold, self.candidates = warm, threshold, candidates
        self.strength, self.rank, self.opening, self.adapter = strength, rank, opening, adapter
        self._history: dict[str, Tensor] = {}
        self._rows: dict[str, Tensor] = {}
        self._past: dict[str, dict[str, Tensor]] = {}
        self._watch = ExitStack()
        self._steps = 0

    def begin(self, model: PeftModel) -> None:
        """Add the candidates, and start to record the routes."""
        if self._past:
            expand(model, self.candidates, bias=self.opening, adapter=self.adapter)
        self._steps, self._rows = 0, {}
        self._watch.enter_context(watched(mixtures(model, self.adapter), self.adapter))

    def select(self, model: PeftModel, step: int) -> None:
        """Record the gradients, freeze past experts, and project the gradients in phase 1."""
        for name, layer in mixtures(model, self.adapter).items():
            old = self._count(name)
            # Rows of the factors that belong to past experts: each expert has r of them.
            rows = old * (len(layer.igsp_A[self.adapter]) // layer.experts(self.adapter))
            for key, cut in (("igsp_A", rows), ("igsp_router", old), ("igsp_bias", old)):
                _clear(getattr(layer, key)[self.adapter].grad, 0, cut)
            _clear(layer.igsp_B[self.adapter].grad, 1, rows)
            gradient = layer.igsp_A[self.adapter].grad
            if gradient is not None:
                self._note(name, gradient[rows:].flatten(1))
                if step < self.warm and name in self._history:
                    self._project(name, gradient)

    def retract(self, model: PeftModel) -> None:
        """Restore past experts that weight decay or momentum moved; close routes after phase 1."""
        layers = mixtures(model, self.adapter)
        with torch.no_grad():
            for name, past in self._past.items():
                for key, value in past.items():
                    axis = 1 if key == "igsp_B" else 0
                    parameter = getattr(layers[name], key)[self.adapter]
                    parameter.narrow(axis, 0, value.shape[axis]).copy_(value)
        self._steps += 1
        if self._steps == self.warm:
            self._close(layers)

    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Remove the closed experts, freeze the others, and add the gradients to the history."""
        # A task that ended within phase 1 has not closed its rare routes yet.
        if self._steps < self.warm:
            self._close(mixtures(model, self.adapter))
        compact(model, adapter=self.adapter)
        for name, layer in mixtures(model, self.adapter).items():
            empty = layer.igsp_A[self.adapter].detach().flatten(1)[:0]
            rows = self._rows.get(name, empty)
            old = self._history.get(name, rows[:0])
            self._history[name] = summary(torch.cat([old.to(rows), _unit(rows)]), self.rank)
        self._rows = {}
        self._freeze(model)

    def state(self) -> dict[str, Tensor]:
        """Return `history:<layer>`, (at most rank, in): directions times their weights."""
        return {f"history:{name}": value for name, value in self._history.items()}

    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Take over the history; the experts of the adapter become past experts."""
        if not state:  # it was saved before the first task ended
            return
        layers = mixtures(model, self.adapter)
        widths = {
            f"history:{name}": layer.igsp_A[self.adapter][0].numel()
            for name, layer in layers.items()
        }
        if {key: value.shape[-1] for key, value in state.items()} != widths:
            rule = f"it does not fit the mixtures of adapter {self.adapter!r}"
            raise AdapterError("history", rule, "Use the model of the run that wrote it")
        for name, layer in layers.items():
            self._history[name] = state[f"history:{name}"].to(layer.igsp_A[self.adapter].device)
        self._freeze(model)

    def _close(self, layers: Mapping[str, IgspLayer]) -> None:
        """Close rarely used routes; if no step was taken, nothing is known and all stay.

        Past experts count in the shares, but are never closed.
        """
        try:
            if self._steps:
                shares = mean_shares(layers, self.adapter)
                spared = {name: self._count(name) for name in layers}
                close_rare(layers, shares, self.threshold, adapter=self.adapter, spared=spared)
        finally:
            self._watch.close()

    def _count(self, name: str) -> int:
        """Return the number of experts that earlier tasks left in a layer."""
        return len(self._past[name]["igsp_bias"]) if name in self._past else 0

    def _freeze(self, model: PeftModel) -> None:
        self._past = {
            name: {
                key: getattr(layer, key)[self.adapter].detach().clone()
                for key in layer.adapter_layer_names
            }
            for name, layer in mixtures(model, self.adapter).items()
        }

    def _note(self, name: str, rows: Tensor) -> None:
        # Rows of closed experts have no gradient, and would only fill the buffer.
        rows = rows[rows.any(1)].detach()
        both = torch.cat([self._rows.get(name, rows[:0]), rows])
        # One SVD for some hundred rows instead of one for each step.
        full = len(both) > BUFFER * self.rank
        self._rows[name] = summary(both, self.rank) if full else both

    @torch.no_grad()
    def _project(self, name: str, gradient: Tensor) -> None:
        """Take the proximal step of the penalty, in place."""
        flat = gradient.flatten(1)
        basis = torch.nn.functional.normalize(self._history[name].to(flat), dim=1)
        # argmin_h |h - g|^2 / 2 + strength |h (I - Q^T Q)|^2 / 2 keeps g inside Q and divides the
        # rest.
        inside = flat @ basis.T @ basis
        gradient.copy_((inside + (flat - inside) / (1 + self.strength)).view_as(gradient))


def summary(rows: Tensor, rank: int) -> Tensor:
    """Return the leading right singular vectors of rows, each times its singular value.

    Args:
        rows: (n, in).
        rank: the largest number of directions.

    Returns:
        (at most rank, in), with orthogonal rows in descending order of their norms.
    """
    _, sizes, vectors = torch.linalg.svd(rows.double(), full_matrices=False)
    # Gradients are float32, so that directions below 1e-7 of the largest are rounding.
    alive = sizes > 1e-6 * sizes[:1]
    leading: Tensor = (sizes[:, None] * vectors)[alive][:rank].to(rows.dtype)
    return leading


def _unit(rows: Tensor) -> Tensor:
    """Return rows divided by the root of their sum of squares, so that all tasks weigh the same."""
    unit: Tensor = rows / rows.norm().clamp_min(torch.finfo(rows.dtype).tiny)
    return unit


@torch.no_grad()
def _clear(gradient: Tensor | None, axis: int, count: int) -> None:
    """Set the first entries of a gradient to zero."""
    if gradient is not None and count:
        gradient.narrow(axis, 0, count).zero_()
