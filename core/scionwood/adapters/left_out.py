"""Targets that an adapter leaves out, because an adapter there would learn nothing or is refused.

A pattern such as `all-linear` selects layers that nobody has looked at. Some of them are read and
never called: the attention of torchvision's Swin passes the weight of `qkv` to a function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch.nn as nn
from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

from scionwood.adapters.head import backbone
from scionwood.errors import AdapterError

READ = "the code around it reads its weight and never calls it, so that an adapter learns nothing"
DEAD = (
    "the model's forward never calls these layers or no gradient reaches them, so that an adapter "
    "there learns nothing"
)
NAMES_IN_WARNING = 4
"""How many names of a reason the warning shows."""


class LeftOutWarning(UserWarning):
    """Modules that a pattern selects have no adapter; the message names them and the reason.

    Example:
        >>> import warnings
        >>> from peft import LoraConfig
        >>> class Reads(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.called, self.read = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
        ...     def forward(self, x):
        ...         return self.called(x) @ self.read.weight
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("error", authoring.LeftOutWarning)
        ...     x = (torch.ones(1, 4),)
        ...     scionwood.attach(Reads(), LoraConfig(), targets="all-linear", example=x, head=())
        Traceback (most recent call last):
        ...
        scionwood.adapters.left_out.LeftOutWarning: no adapter on read: ...
    """


class DeadTargetsError(AdapterError):
    """Wrapped layers are never called, or get no gradient.

    Attributes:
        names: The names of the layers.
    """

    names: tuple[str, ...] = ()


def message(left_out: Mapping[str, str]) -> str:
    """Return the text of the warning for the reasons by the names of the modules."""
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(reason, []).append(name)
    parts = [
        f"no adapter on {', '.join(names[:NAMES_IN_WARNING])}"
        + (f" and {len(names) - NAMES_IN_WARNING} more" if len(names) > NAMES_IN_WARNING else "")
        + f": {reason}"
        for reason, names in reasons.items()
    ]
    return "; ".join(parts)


def without(names: Sequence[str], left_out: Mapping[str, str], spelled: Sequence[str]) -> list[str]:
    """Return the names without those that are left out.

    Raises:
        AdapterError: A module that is spelled out would be left out, or all of them.
    """
    names_left = [name for name in names if name not in left_out]
    requested_names = [
        name for name in names if name in left_out and (name in spelled or not names_left)
    ]
    if requested_names:
        dead = "dead " * (left_out[requested_names[0]] in (READ, DEAD))
        remedy = "change the backbone so that it calls these layers as modules"
        raise AdapterError(
            f"{dead}targets {', '.join(requested_names)}",
            left_out[requested_names[0]],
            f"Target other layers{f', or {remedy}' if dead else ''}",
        )
    return names_left


def refused(model: nn.Module, config: PeftConfig, names: Sequence[str]) -> dict[str, str]:
    """Return the modules that peft refuses in this architecture, with its reason."""
    base, reasons = backbone(model), {}
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type]
    for name in names:
        try:
            tuner._check_target_module_compatiblity(None, config, base, name.rpartition(".")[2])
        except ValueError as error:
            reasons[name] = f"peft refuses it ({str(error).rstrip('.')})"
    return reasons
