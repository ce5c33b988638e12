"""Attach an adapter to a base whose weights have no values yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
import torch.nn as nn
from torch.overrides import TorchFunctionMode

from scionwood.adapters.modules import adapter_parameters

_META = torch.device("meta")
_CPU = torch.device("cpu")


@contextmanager
def adapters_on_cpu() -> Iterator[None]:
    """Leave new tensors on the CPU in this block, although their base is on the meta device.

    peft creates an adapter on the CPU and moves it to the device of its base. On the meta device it
    would lose its values.
    """
    with _NotToMeta():
        yield


def without_values(model: nn.Module) -> list[str]:
    """Return the names of the adapter's parameters that have no values.

    Args:
        model: a model with adapters. A method that computes its start from the base's weights, such
            as DoRA, has such parameters if the base has no values.
    """
    return [name for name, value in adapter_parameters(model).items() if value.is_meta]


@final
class _NotToMeta(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        options = {key: _real(value) for key, value in (kwargs or {}).items()}
        return func(*map(_real, args), **options)


def _real(value: Any) -> Any:
    return _CPU if isinstance(value, torch.device) and value == _META else value
