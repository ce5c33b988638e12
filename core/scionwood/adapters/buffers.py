"""Whether the buffers of a frozen base are what they were when its adapter was attached."""

from __future__ import annotations

import warnings

import torch.nn as nn

from scionwood.adapters.content import tensors_hash
from scionwood.adapters.head import backbone, base_modules, head_names, in_head
from scionwood.adapters.modules import gathered

_DIGESTS = "_scionwood_buffers"


class BaseChangedWarning(UserWarning):
    """A buffer of the frozen base is not what it was when the adapter was attached.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("error", authoring.BaseChangedWarning)  # refuses to save it
    """


def remember_buffers(model: nn.Module) -> None:
    """Store digests of the persistent buffers of a base, for `warn_if_changed`."""
    setattr(backbone(model), _DIGESTS, _digests(model))


def warn_if_changed(model: nn.Module) -> None:
    """Warn if a persistent buffer of the base has changed.

    Warns:
        BaseChangedWarning: The names of the buffers, and the remedy.
    """
    before: dict[str, str] = getattr(backbone(model), _DIGESTS, {})
    now = _digests(model) if before else {}
    changed = [name for name, digest in before.items() if now.get(name, digest) != digest]
    if changed:
        warnings.warn(
            f"{', '.join(changed[:3])} of the frozen base changed since the adapter was attached. "
            "No file of the adapter has these values, so that a reloaded model computes something "
            f"else. Keep {changed[0].rpartition('.')[0]} in eval mode, or name it in `head`",
            BaseChangedWarning,
            stacklevel=3,
        )


def _digests(model: nn.Module) -> dict[str, str]:
    head = head_names(model)
    return {
        f"{name}.{key}": tensors_hash({key: gathered(value)})
        for name, module in base_modules(model)
        for key, value in module._buffers.items()
        if value is not None and key not in module._non_persistent_buffers_set
        if not in_head(name, head) and not value.is_meta
    }
