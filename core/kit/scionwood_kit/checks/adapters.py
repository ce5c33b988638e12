"""An adapter starts as the identity, trains alone, and leaves the base unchanged."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from scionwood.errors import AdapterError
from scionwood.plugins.plugin import Plugin
from scionwood_kit.cases import Rig, cases, example_of, seeded
from scionwood_kit.rules import NothingToCheck, Problem, check
from scionwood_kit.tensors import difference, digest, output

IDENTITY = 1e-5
"""The largest relative difference that counts as rounding in float32."""

MERGED = 1e-4
"""The same if weights were added in another order, as merging does."""


@check
def check_attach_is_identity(plugin: Plugin) -> Iterator[Problem]:
    """A fresh adapter changes nothing: the output equals the bare backbone's to rounding (1e-5)."""
    for case in cases(plugin):
        with seeded():
            bare = case.backbone()
        example = example_of(bare)
        before = output(bare, example)
        with seeded():
            after = output(case.attach(bare), example)
        gap = difference(before, after)
        if gap > IDENTITY:
            rule = f"a fresh adapter is the identity, to {IDENTITY:g} of the largest value"
            remedy = "Initialise one factor of the update with zeros"
            yield Problem(f"{case}: the output moves by {gap:.2g}", rule, remedy)


@check
def check_only_adapter_trains(plugin: Plugin) -> Iterator[Problem]:
    """After attaching, the base is frozen; the adapter and the head require gradients."""
    for case in cases(plugin):
        rig = case.rig()
        for name, tensor in rig.base().items():
            if tensor.requires_grad:
                remedy = "Freeze it, or name its module in the backbone's `head`"
                yield Problem(f"{case}: {name} requires a gradient", "the base is frozen", remedy)
        for name in sorted(rig.head & _frozen(rig)):
            remedy = "Leave requires_grad of the head alone"
            yield Problem(f"{case}: {name} is frozen", "the head trains", remedy)
        inside = {id(parameter) for parameter in rig.model.parameters()}
        for name, parameter in rig.trained.named_parameters():
            if parameter.requires_grad and id(parameter) not in inside:
                rule = "everything that trains is in the backbone, because only that is saved"
                remedy = "Freeze it, or move it into the backbone and name it in `head`"
                yield Problem(f"{case}: {name} belongs to the task", rule, remedy)
        if not any(p.requires_grad for p in rig.grafted().values()):
            remedy = "Check what the method's layer marks as trainable"
            yield Problem(f"{case}: nothing requires a gradient", "the adapter trains", remedy)


@check
def check_trainable_tensors_get_gradients(plugin: Plugin) -> Iterator[Problem]:
    """Every tensor that trains has a finite gradient that is not zero.

    First all of them are moved off their initial values, because one factor usually starts at
    zero. A tensor without a gradient is stored and shipped for nothing.
    """
    for case in cases(plugin):
        rig = case.rig()
        rig.perturb()
        rig.backward()
        for name, parameter in rig.trained.named_parameters():
            wrong = _gradient_fault(parameter) if parameter.requires_grad else ""
            if wrong:
                rule = "every trainable tensor gets a finite, non-zero gradient"
                remedy = "Is its layer called in forward? Adapt only layers that are"
                yield Problem(f"{case}: {name} has {wrong}", rule, remedy)


@check
def check_base_is_untouched_by_a_step(plugin: Plugin) -> Iterator[Problem]:
    """After an optimizer step in training mode the base is bit-equal, its buffers included."""
    for case in cases(plugin):
        rig = case.rig()
        before = {name: digest(tensor) for name, tensor in rig.base().items()}
        if not _step(rig):
            remedy = "Check what the method's layer marks as trainable"
            yield Problem(f"{case}: no tensor moved", "a step changes the adapter", remedy)
        changed = [name for name, tensor in rig.base().items() if digest(tensor) != before[name]]
        for name in changed:
            rule = "a step leaves the base as it was, bit for bit"
            remedy = "Keep it in eval mode (running statistics), or name it in `head`"
            yield Problem(f"{case}: {name} changed", rule, remedy)


@check
def check_merge_equals_unmerged(plugin: Plugin) -> Iterator[Problem]:
    """Merging keeps the output (1e-4), and unmerging restores it.

    A method that cannot be merged raises an AdapterError and leaves the model as it was.
    """
    tried = cases(plugin)
    refused = []
    for case in tried:
        rig = case.rig()
        rig.perturb()
        before = output(rig.model, rig.example)
        try:
            _merge(rig)
        except AdapterError as error:
            refused.append(f"{case}: {error}")
            verbs = ["refusing to merge"]
        else:
            verbs = ["merging", "unmerging"]
        for verb in verbs:
            if verb == "unmerging":
                _unmerge(rig)
            gap = difference(before, output(rig.model, rig.example))
            if gap > MERGED:
                rule = f"{verb} keeps the output, to {MERGED:g} of the largest value"
                remedy = "Compare get_delta_weight with what forward adds"
                yield Problem(f"{case}: the output moves by {gap:.2g}", rule, remedy)
    if len(refused) == len(tried):
        raise NothingToCheck("; ".join(refused))


def _frozen(rig: Rig) -> set[str]:
    frozen = set()
    for name, (module, attribute) in rig.places.items():
        tensor = getattr(module, attribute)
        if isinstance(tensor, torch.nn.Parameter) and not tensor.requires_grad:
            frozen.add(name)
    return frozen


def _gradient_fault(parameter: torch.nn.Parameter) -> str:
    if parameter.grad is None:
        return "no gradient"
    if not torch.isfinite(parameter.grad).all():
        return "a gradient with NaN or infinity"
    return "" if parameter.grad.any() else "a gradient of zeros"


def _step(rig: Rig) -> bool:
    trainable = [p for p in rig.trained.parameters() if p.requires_grad]
    if not trainable:
        return False
    before = [digest(p) for p in trainable]
    optimizer = torch.optim.AdamW(trainable, lr=1e-2, weight_decay=0.1)
    rig.backward()
    optimizer.step()
    return before != [digest(p) for p in trainable]


def _merge(rig: Rig) -> None:
    from scionwood.adapters import merge

    merge(rig.model)


def _unmerge(rig: Rig) -> None:
    from scionwood.adapters import unmerge

    unmerge(rig.model)
