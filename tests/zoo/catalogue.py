"""The record of one model of the zoo, and the seed that makes it the same in every process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn as nn


@dataclass(frozen=True)
class Entry:
    """A model that somebody else wrote, tiny and with random weights.

    Attributes:
        name: The name in the table.
        package: The distribution that has the model.
        build: Makes the model.
        inputs: Makes the keyword or positional arguments of `forward`.
        targets: `all-linear`, or a pattern over whole names of modules.
        options: Further options of `LoraConfig`.
    """

    name: str
    package: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Any, ...] | Mapping[str, Any]]
    targets: str = "all-linear"
    options: Mapping[str, Any] = field(default_factory=dict)

    def model(self) -> nn.Module:
        """Build the model with the same random weights each time.

        Some libraries start layers at zero, so that no gradient passes them before training. A
        little noise on every weight makes the model like a trained one.
        """
        torch.manual_seed(0)
        model = self.build().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.02)
        return model

    def example(self) -> tuple[Any, ...] | Mapping[str, Any]:
        """Make the same input each time."""
        torch.manual_seed(1)
        return self.inputs()


def run(model: nn.Module, example: tuple[Any, ...] | Mapping[str, Any]) -> torch.Tensor:
    """Run a model and return the tensor that its users read.

    Args:
        model: The model, with or without adapters.
        example: Positional or keyword arguments.

    Returns:
        The output tensor, or the first tensor of an output with several.
    """
    output = model(**example) if isinstance(example, Mapping) else model(*example)
    for key in ("logits", "logits_per_image", "last_hidden_state", "sample"):
        if getattr(output, key, None) is not None:
            output = getattr(output, key)
            break
    while isinstance(output, tuple | list):
        output = output[0]
    assert isinstance(output, torch.Tensor)
    return output
