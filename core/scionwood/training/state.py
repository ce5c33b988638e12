"""Which entries of a state dict belong to what trains, and whether a checkpoint has just those."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from scionwood.errors import TrainingError


def trained_keys(module: nn.Module) -> set[str]:
    """The state-dict keys that training changes: trainable parameters and the buffers with them.

    A buffer belongs to the nearest enclosing module that has parameters: the running statistics
    of a trained head are kept, those of a frozen layer are not.
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    trained = {key for key, parameter in parameters.items() if parameter.requires_grad}
    inside = {scope for key in trained for scope in _scopes(key)}
    known = {scope for key in parameters for scope in _scopes(key)}
    buffers = module.state_dict().keys() - parameters.keys()
    return trained | {key for key in buffers if _nearest(key, known) in inside}


def check_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Check that a checkpoint holds what trains in this module, no more and no less.

    Raises:
        TrainingError: naming the first keys that are missing, foreign or of another shape.
    """
    own = module.state_dict()
    keys = trained_keys(module)
    wrong = {
        "missing": sorted(keys - state.keys()),
        "unknown": sorted(state.keys() - keys),
        "of another shape": sorted(
            key for key in keys & state.keys() if own[key].shape != state[key].shape
        ),
    }
    found = "; ".join(f"{kind}: {', '.join(names[:3])}" for kind, names in wrong.items() if names)
    if found:
        raise TrainingError(
            f"checkpoint with keys {found}",
            "it must hold exactly what trains in this model",
            "Resume with the recipe that wrote it, recipe.yaml in the run folder",
        )


def _scopes(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:end]) for end in range(len(parts))]


def _nearest(key: str, known: set[str]) -> str:
    return next(scope for scope in reversed(_scopes(key)) if scope in known)
