"""Start a training from the adapter and the head of a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from scionwood import TrainingError, find_run, load_run

TOLERANCE = 1e-6
"""The largest relative difference of two outputs that counts as rounding."""


def head_modules(backbone: nn.Module) -> list[nn.Module]:
    """Return the modules that train together with the adapter; the backbone may lack an adapter."""
    return [backbone.get_submodule(name) for name in getattr(backbone, "head", ())]


def take_over(model: nn.Module, run: str | Path) -> None:
    """Copy the adapter and the head of a run into a model with the same backbone and adapter.

    The files of the run are read by `load_run`: only safetensors, checked against the base model.

    Args:
        model: a backbone with a new adapter; it has `example_input()`. Parts whose names begin with
            one of its `additions` keep their weights if the run has no such part.
        run: the run folder, or another reference to a run.

    Raises:
        TrainingError: the run is not finished, or its model is different; `model` is unchanged.
        AdapterFileError: the adapter or the head of the run is damaged.
    """
    run = find_run(run)
    source = load_run(run).backbone
    mine, source_state = model.state_dict(), source.state_dict()
    new = tuple(getattr(model, "additions", ()))
    mine = {name: x for name, x in mine.items() if name in source_state or not name.startswith(new)}
    _check_names(run, mine, source_state)
    trained = _trained(model) & mine.keys()
    for name in mine.keys() - trained:
        if not torch.equal(mine[name], source_state[name].to(mine[name].device)):
            raise _mismatch(run, f"its {name} has other values: it was trained on another base")
    backup = {name: mine[name].clone() for name in trained}
    _fill(mine, {name: source_state[name] for name in trained})
    if not _same_function(model, source):
        _fill(mine, backup)
        raise _mismatch(run, "its weights fit, but its adapter has other options (lora_alpha?)")


def _check_names(run: Path, mine: Mapping[str, Tensor], source_state: Mapping[str, Tensor]) -> None:
    if alone := sorted(mine.keys() ^ source_state.keys()):
        owner = "this model" if alone[0] in mine else "that run"
        raise _mismatch(run, f"{alone[0]} is in {owner} only")
    for name in mine:
        own_shape, source_shape = tuple(mine[name].shape), tuple(source_state[name].shape)
        if own_shape != source_shape:
            raise _mismatch(run, f"its {name} is {source_shape}, that of this model {own_shape}")


def _trained(model: nn.Module) -> set[str]:
    """Return the names of the tensors of the adapter and of the head, trained or frozen."""
    inside = {id(tensor) for module in head_modules(model) for tensor in _tensors(module)}
    state = model.state_dict(keep_vars=True)
    return {name for name, x in state.items() if x.requires_grad or id(x) in inside}


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


@torch.no_grad()
def _fill(state: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        state[name].copy_(value)


@torch.no_grad()
def _same_function(model: nn.Module, source: nn.Module) -> bool:
    """Return whether both give the same output; names do not show options such as lora_alpha."""
    example = model.example_input()  # type: ignore[operator]  # every backbone offers it
    modes = {module: module.training for module in model.modules()}
    device = next(model.parameters()).device
    own_output = model.eval()(*(x.to(device) for x in example))
    for module, mode in modes.items():
        module.training = mode
    source_output = source.to(device).eval()(*(x.to(device) for x in example))
    return bool((own_output - source_output).abs().max() <= TOLERANCE * source_output.abs().max())


def _mismatch(run: Path, rule: str) -> TrainingError:
    remedy = f"Give this recipe the backbone and the adapter of {run / 'recipe.yaml'}"
    return TrainingError(f"start {run}", rule, remedy)
