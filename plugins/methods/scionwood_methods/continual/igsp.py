"""iGSP: experts are added for each task, held to the gradients of the past, and pruned."""

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
"""Rows that are kept before they are summed up, as a multiple of the history's rank."""


@final
class Igsp(ContinualMethod):
    """Two phases a task, on a mixture of LoRA experts (`methods/igsp`).

    Phase 1, `warm` steps: the first task trains the experts that are there; a later one adds
    `candidates` to each layer and trains these alone, the older ones being frozen bit for bit. The
    gradient of the candidates' A is drawn to the historical subspace Q (rank, in): penalising it by
    `(strength / 2) |grad (I - Q^T Q)|^2` would take second derivatives, and its proximal step is
    done instead, which divides the part outside of Q by `1 + strength`. At the end of the phase the
    candidates whose mean routing probability is below `threshold` are closed; of the first task the
    best expert of a layer stays.

    Phase 2: the structure stands, the surviving candidates fit what is left, and their gradients
    are free. At the end closed experts are removed, from the file too, and the task's gradients
    join the history: Q spans the leading right singular vectors of all gradients of A so far, kept
    as (rank, in) a layer.

    New routes take some share from old ones, so that a little is forgotten: `opening` is their bias
    at the start.

    Args:
        warm: steps of phase 1.
        threshold: the least mean routing probability of a candidate, 0 to 1.
        candidates: experts that a later task adds to each layer.
        strength: of the subspace penalty, 0 or more, without unit.
        rank: of the historical subspace.
        opening: bias of a candidate's route at its start; 0 would give it an equal share at once.
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
            found = f"warm={warm}, candidates={candidates}, rank={rank}, strength={strength}"
            rule = "counts are 1 or more, strength >= 0, 0 <= threshold <= 1"
            raise AdapterError(f"{found}, threshold={threshold}", rule)
        self.warm, self.threshold, self.candidates = warm, threshold, candidates
        self.strength, self.rank, self.opening, self.adapter = strength, rank, opening, adapter
        self._history: dict[str, Tensor] = {}
        self._rows: dict[str, Tensor] = {}
        self._past: dict[str, dict[str, Tensor]] = {}
        self._watch = ExitStack()
        self._steps = 0

    def begin(self, model: PeftModel) -> None:
        """Add the candidates, and watch the routes."""
        if self._past:
            expand(model, self.candidates, bias=self.opening, adapter=self.adapter)
        self._steps, self._rows = 0, {}
        self._watch.enter_context(watched(mixtures(model, self.adapter), self.adapter))

    def select(self, model: PeftModel, step: int) -> None:
        """Note the gradients, freeze what is past, and hold phase 1 to the history."""
        for name, layer in mixtures(model, self.adapter).items():
            old = self._count(name)
            rows = old * (len(layer.igsp_A[self.adapter]) // layer.experts(self.adapter))
            for each, cut in (("igsp_A", rows), ("igsp_router", old), ("igsp_bias", old)):
                _clear(getattr(layer, each)[self.adapter].grad, 0, cut)
            _clear(layer.igsp_B[self.adapter].grad, 1, rows)
            gradient = layer.igsp_A[self.adapter].grad
            if gradient is not None:
                self._note(name, gradient[rows:].flatten(1))
                if step < self.warm and name in self._history:
                    self._project(name, gradient)

    def retract(self, model: PeftModel) -> None:
        """Put past experts back where weight decay or momentum moved them; close at the end."""
        layers = mixtures(model, self.adapter)
        with torch.no_grad():
            for name, past in self._past.items():
                for each, value in past.items():
                    axis = 1 if each == "igsp_B" else 0
                    whole = getattr(layers[name], each)[self.adapter]
                    whole.narrow(axis, 0, value.shape[axis]).copy_(value)
        self._steps += 1
        if self._steps == self.warm:
            self._close(layers)

    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Remove the closed experts, freeze the others, and add the gradients to the history."""
        if self._steps < self.warm:
            self._close(mixtures(model, self.adapter))
        compact(model, adapter=self.adapter)
        for name, layer in mixtures(model, self.adapter).items():
            none = layer.igsp_A[self.adapter].detach().flatten(1)[:0]
            rows = self._rows.get(name, none)
            old = self._history.get(name, rows[:0])
            self._history[name] = summary(torch.cat([old.to(rows), _unit(rows)]), self.rank)
        self._rows = {}
        self._freeze(model)

    def state(self) -> dict[str, Tensor]:
        """`history:<layer>`, (at most rank, in): directions times their weights."""
        return {f"history:{name}": value for name, value in self._history.items()}

    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Take the history over; the adapter's experts are the past ones."""
        if not state:  # saved before the first task ended
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
        """Close the rare routes; without a single step of training nothing is known, and all stay.

        Old experts count in the shares, but are spared.
        """
        try:
            if self._steps:
                shares = mean_shares(layers, self.adapter)
                spared = {name: self._count(name) for name in layers}
                close_rare(layers, shares, self.threshold, adapter=self.adapter, spared=spared)
        finally:
            self._watch.close()

    def _count(self, name: str) -> int:
        """The number of experts that earlier tasks left in a layer."""
        return len(self._past[name]["igsp_bias"]) if name in self._past else 0

    def _freeze(self, model: PeftModel) -> None:
        self._past = {
            name: {
                each: getattr(layer, each)[self.adapter].detach().clone()
                for each in layer.adapter_layer_names
            }
            for name, layer in mixtures(model, self.adapter).items()
        }

    def _note(self, name: str, rows: Tensor) -> None:
        rows = rows[rows.any(1)].detach()
        both = torch.cat([self._rows.get(name, rows[:0]), rows])
        full = len(both) > BUFFER * self.rank
        self._rows[name] = summary(both, self.rank) if full else both

    @torch.no_grad()
    def _project(self, name: str, gradient: Tensor) -> None:
        """The proximal step of the penalty, in place."""
        flat = gradient.flatten(1)
        basis = torch.nn.functional.normalize(self._history[name].to(flat), dim=1)
        inside = flat @ basis.T @ basis
        gradient.copy_((inside + (flat - inside) / (1 + self.strength)).view_as(gradient))


def summary(rows: Tensor, rank: int) -> Tensor:
    """The leading right singular vectors of some rows, each times its singular value.

    Args:
        rows: (n, in).
        rank: the most directions that are kept.

    Returns:
        (at most rank, in), with orthogonal rows, in descending order of their lengths.
    """
    _, sizes, vectors = torch.linalg.svd(rows.double(), full_matrices=False)
    alive = sizes > 1e-6 * sizes[:1]
    return (sizes[:, None] * vectors)[alive][:rank].to(rows.dtype)


def _unit(rows: Tensor) -> Tensor:
    """Rows over the root of their sum of squares, so that every task weighs alike."""
    return rows / rows.norm().clamp_min(torch.finfo(rows.dtype).tiny)


@torch.no_grad()
def _clear(gradient: Tensor | None, axis: int, count: int) -> None:
    """Zero the first entries of a gradient."""
    if gradient is not None and count:
        gradient.narrow(axis, 0, count).zero_()
