"""The towers without their adapter, or in evaluation mode, for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def without_adapter(backbone: Any) -> Iterator[None]:
    """Disable the adapter, if there is one, and switch to evaluation mode."""
    if not hasattr(backbone, "disable_adapter"):
        yield
        return
    with backbone.disable_adapter(), evaluating(backbone):
        yield


@contextmanager
def evaluating(backbone: nn.Module) -> Iterator[None]:
    """Switch all modules to evaluation mode, then restore the previous mode of each."""
    modes = [(module, module.training) for module in backbone.modules()]
    backbone.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def trains_text(backbone: nn.Module) -> bool:
    """Return whether parameters outside the vision tower are trained."""
    parameters = backbone.named_parameters()
    return any(p.requires_grad and ".visual." not in name for name, p in parameters)
