"""Online elastic weight consolidation by groups of parameters, for adapters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, final

import torch
import torch.nn as nn
import torch.nn.functional as F
from peft import PeftModel
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.continual.controller import ContinualMethod
from scionwood_methods.continual.factors import lora_layers, update
from scionwood_methods.shared.modes import evaluating

Losses = Callable[[nn.Module, Any], Tensor]
"""A function `(model, batch) -> (n,)`: the loss of each sample."""
Pairs = Callable[[nn.Module, Any], tuple[Tensor, Tensor]]
"""A function `(model, batch) -> ((n, d), (n, d))`: features of n pairs in two modalities."""
OTHER_GROUP = "rest"
"""The group of all names that no pattern matches."""


@final
class Ewc(ContinualMethod):
    """`sum_m (lambda_m / 2) sum_(i in m) F_i (theta_i - theta*_i)^2` over groups m of parameters.

    F is the empirical diagonal Fisher information: the mean over samples of the squared gradient
    of the negative log-likelihood. It is updated online, `F <- decay F + F_task`. With `adaptive`
    weights, lambda_m = strength / mean(F_m), so that a modality with small gradients is protected
    as much as one with large gradients. With `consistency` the penalty also has the term
    `gamma |S - S*|_F^2 / n^2`. S holds the cosine similarities of n pairs of features in a batch,
    and S* those with the weights of the anchor, both in evaluation mode. The term needs two more
    passes, so only one step of `every` has it, with `every` times its weight.

    In the space `delta`, theta is the change `dW = s B A` of each LoRA layer, and its Fisher
    information is that of the weight; this stores two tensors of the size of each weight. Other
    trainable tensors are protected by their parameters. In the space `parameters`, which works
    with every method of peft, theta holds the trainable parameters.

    Args:
        losses: see `Losses`; the negative log-likelihood in nats.
        strength: the factor of the penalty.
        decay: the share of the previous Fisher information that stays after a task, 0 to 1.
        groups: a pattern by the name of each group, searched in the names of layers or
            parameters, such as `{"vision": "visual", "text": "transformer"}`; the first match
            counts.
        adaptive: divide the strength by the mean of F in each group.
        space: see above.
        samples: the largest number of samples on which the Fisher information is measured.
        consistency: see `Pairs`; needed if gamma is above 0.
        gamma: the factor of the consistency term, without unit; 0 leaves the term out.
        every: the number of optimiser steps of which one has the consistency term.
        adapter: the name of the LoRA adapter in the space `delta`.

    Raises:
        AdapterError: an option is out of its range.

    Source: EWC, Kirkpatrick et al. 2017; online, Schwarz et al. 2018. Groups, adaptive weights and
    consistency are a reconstruction from the abstract of arXiv 2605.12789, and the space of dW is
    one from that of 2602.17559. Equations and defaults are ours, not the authors'. A term in one
    step of several: lazy regularisation, Karras et al. 2020 (arXiv 1912.04958), appendix B.
    """

    name = "ewc"

    def __init__(
        self,
        losses: Losses,
        *,
        strength: float = 1.0,
        decay: float = 1.0,
        groups: Mapping[str, str] | None = None,
        adaptive: bool = True,
        space: Literal["delta", "parameters"] = "delta",
        samples: int = 256,
        consistency: Pairs | None = None,
        gamma: float = 0.0,
        every: int = 8,
        adapter: str = "default",
    ) -> None:
        if strength < 0 or not 0 <= decay <= 1 or samples < 1:
            value = f"strength={strength}, decay={decay}, samples={samples}"
            raise AdapterError(value, "strength >= 0, 0 <= decay <= 1, samples >= 1")
        if gamma < 0 or every < 1:
            raise AdapterError(f"gamma={gamma}, every={every}", "gamma >= 0, every >= 1")
        if gamma and consistency is None:
            rule = "the consistency term needs the features of pairs"
            raise AdapterError(f"gamma={gamma}", rule, "Give `consistency`, or set gamma to 0")
        self.losses, self.consistency = losses, consistency
        self.strength, self.decay = strength, decay
        self.gamma, self.every = gamma, every
        self.groups = {name: re.compile(pattern) for name, pattern in (groups or {}).items()}
        self.adaptive, self.space, self.samples = adaptive, space, samples
        self.adapter = adapter
        self._fisher: dict[str, Tensor] = {}
        self._trained: dict[str, Tensor] = {}
        self._anchor: dict[str, Tensor] = {}
        self._weights: dict[str, float] = {}
        self._steps = 0

    @property
    def needs_pairs(self) -> bool:
        """Whether the consistency term is on."""
        return self.gamma > 0

    def begin(self, model: PeftModel) -> None:
        """Count the steps of a task from 0."""
        self._steps = 0

    def retract(self, model: PeftModel) -> None:
        """Count an optimiser step."""
        self._steps += 1

    def penalty(self, model: PeftModel, batch: Any) -> Tensor:
        """Return the penalty; see the class."""
        if not self._fisher:
            return torch.zeros(())
        terms = [
            self._weights[self._group(name)] * _quadratic(self._fisher[name].to(change), change)
            for name, change in self._moved(model).items()
        ]
        # The first step of a task is still at the anchor, so the last one of `every` has the term.
        if self.needs_pairs and self._steps % self.every == self.every - 1:
            # `every` times the weight in one step of `every` has the same mean gradient.
            terms.append(self.every * self.gamma * self._inconsistency(model, batch))
        return torch.stack(terms).sum()

    def weights(self) -> dict[str, float]:
        """Return lambda_m by group; empty before the first task ends."""
        members: dict[str, list[Tensor]] = {}
        for name, value in sorted(self._fisher.items()):  # sums round alike after loading
            members.setdefault(self._group(name), []).append(value.flatten())
        if not self.adaptive:
            return dict.fromkeys(members, self.strength)
        means = {group: float(torch.cat(values).mean()) for group, values in members.items()}
        # If F is zero everywhere, there is nothing to protect, whatever the weight.
        return {group: self.strength / mean if mean else 0.0 for group, mean in means.items()}

    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Measure the Fisher information and move the anchor.

        Raises:
            AdapterError: there are no samples.
        """
        for name, value in self._information(model, batches).items():
            old = self._fisher.get(name)
            self._fisher[name] = value if old is None else self.decay * old + value
        self._weights = self.weights()
        self._trained = {n: p.detach().clone() for n, p in _trained(model).items()}
        self._anchor = {n: p.detach().clone() for n, p in self._points(model).items()}

    def state(self) -> dict[str, Tensor]:
        """Return `F:<name>`, and `theta:<name>` of everything that trained."""
        fisher = {f"F:{name}": value for name, value in self._fisher.items()}
        return fisher | {f"theta:{name}": value for name, value in self._trained.items()}

    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Take over F and the anchor; see `ContinualMethod.restore`."""
        shapes = {f"F:{name}": point.shape for name, point in self._points(model).items()}
        shapes |= {f"theta:{name}": p.shape for name, p in _trained(model).items()}
        if {key: value.shape for key, value in state.items()} != shapes:
            rule = "it does not fit the trainable parameters of this model"
            raise AdapterError(
                "memory of EWC", rule, "Use the model, adapter and space of that run"
            )
        self._fisher = {k[2:]: v for k, v in state.items() if k.startswith("F:")}
        self._weights = self.weights()
        self._trained = {k[6:]: v for k, v in state.items() if k.startswith("theta:")}
        with self._at_anchor(model):
            self._anchor = {n: p.detach().clone() for n, p in self._points(model).items()}

    def _information(self, model: PeftModel, batches: Iterable[Any]) -> dict[str, Tensor]:
        targets = self._measured(model)
        total = {name: torch.zeros_like(value) for name, value in targets.items()}
        count = 0
        with _learning(targets.values()), evaluating(model):
            for loss in self._sample_losses(model, batches):
                gradients = torch.autograd.grad(
                    # The samples of a batch may share a graph. The gradient is squared per sample,
                    # because the square of the mean gradient vanishes where the gradients of
                    # samples cancel.
                    loss,
                    list(targets.values()),
                    retain_graph=True,
                    allow_unused=True,
                )
                for name, grad in zip(targets, gradients, strict=True):
                    if grad is not None:
                        total[name] += grad.square()
                count += 1
        if not count:
            rule = "they contain no sample to measure F on"
            raise AdapterError("batches", rule, "Give end() at least one batch")
        return {name: value / count for name, value in total.items()}

    def _sample_losses(self, model: PeftModel, batches: Iterable[Any]) -> Iterator[Tensor]:
        left = self.samples
        for batch in batches:
            losses = self.losses(model, batch)
            if losses.dim() != 1:
                rule = "the function must return one loss for each sample, (n,)"
                value = f"losses of shape {tuple(losses.shape)}"
                raise AdapterError(value, rule, "Do not average over the batch")
            yield from losses[:left]
            left -= len(losses)
            if left <= 0:
                return

    def _points(self, model: PeftModel) -> dict[str, Tensor]:
        """Return the differentiable tensors that stay near the anchor, by name."""
        if self.space == "parameters":
            return dict(_trained(model))
        layers = lora_layers(model, self.adapter)
        return {n: update(layer, self.adapter) for n, layer in layers.items()} | _outside_adapter(
            model, layers
        )

    def _measured(self, model: PeftModel) -> dict[str, Tensor]:
        """Return the tensors whose gradients are those of theta; for dW it is the weight."""
        if self.space == "parameters":
            return dict(_trained(model))
        layers = lora_layers(model, self.adapter)
        # y = (W_0 + dW) x, so that dL/dW_0 = dL/d(dW), which exists without forming dW.
        weights = {n: layer.get_base_layer().weight for n, layer in layers.items()}
        return weights | _outside_adapter(model, layers)

    def _moved(self, model: PeftModel) -> dict[str, Tensor]:
        return {n: point - self._anchor[n].to(point) for n, point in self._points(model).items()}

    def _group(self, name: str) -> str:
        return next((g for g, pattern in self.groups.items() if pattern.search(name)), OTHER_GROUP)

    def _inconsistency(self, model: PeftModel, batch: Any) -> Tensor:
        assert self.consistency is not None
        with evaluating(model):
            with torch.no_grad(), self._at_anchor(model):
                before = _similarity(*self.consistency(model, batch))
            now = _similarity(*self.consistency(model, batch))
        return (now - before).square().mean()

    @contextmanager
    def _at_anchor(self, model: PeftModel) -> Iterator[None]:
        parameters = _trained(model)
        now = {name: p.data for name, p in parameters.items()}
        for name, parameter in parameters.items():
            # The data and not the parameter: the optimiser and the graph keep their objects.
            parameter.data = self._trained[name].to(parameter)
        try:
            yield
        finally:
            for name, parameter in parameters.items():
                parameter.data = now[name]


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _outside_adapter(model: nn.Module, layers: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return what trains outside the layers of the adapter, such as a head."""
    inside = {id(p) for layer in layers.values() for p in layer.parameters()}
    return {name: p for name, p in _trained(model).items() if id(p) not in inside}


def _quadratic(fisher: Tensor, change: Tensor) -> Tensor:
    """Return `sum F change^2 / 2`, whose gradient `F change` takes one pass over the weights."""
    gradient = fisher * change.detach()
    twice = torch.dot(gradient.flatten(), change.flatten())
    return twice - 0.5 * twice.detach()


def _similarity(left: Tensor, right: Tensor) -> Tensor:
    return F.normalize(left, dim=-1) @ F.normalize(right, dim=-1).T


@contextmanager
def _learning(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Let frozen weights have gradients inside the block."""
    frozen = [t for t in tensors if not t.requires_grad]
    for tensor in frozen:
        tensor.requires_grad_(True)
    try:
        yield
    finally:
        for tensor in frozen:
            tensor.requires_grad_(False)
