"""The entries of a state dict that training changes, and the check of a checkpoint against them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from scionwood.errors import TrainingError


def trained_keys(module: nn.Module) -> set[str]:
    """Return the state-dict keys that training changes: trainable parameters and their buffers.

    A buffer belongs to the nearest enclosing module that has parameters. The running statistics
    of a trained head are included, those of a frozen layer are not.
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    trained = {key for key, parameter in parameters.items() if parameter.requires_grad}
    inside = {scope for key in trained for scope in _scopes(key)}
    known = {scope for key in parameters for scope in _scopes(key)}
    buffers = module.state_dict().keys() - parameters.keys()
    return trained | {key for key in buffers if _nearest(key, known) in inside}


def check_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Check that a checkpoint holds exactly the entries that train in this module.

    Args:
        module: the task.
        state: the state dict of the checkpoint.

    Raises:
        TrainingError: naming the first keys that are missing, unknown or of another shape.
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
    lists = (f"{kind}: {', '.join(names[:3])}" for kind, names in wrong.items() if names)
    differences = "; ".join(lists)
    if differences:
        raise TrainingError(
            f"checkpoint with keys {differences}",
            "it must hold exactly the entries that train in this model",
            "Resume with the recipe that wrote it, recipe.yaml in the run folder",
        )


def _scopes(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:end]) for end in range(len(parts))]


def _nearest(key: str, known: set[str]) -> str:
    return next(scope for scope in reversed(_scopes(key)) if scope in known)
