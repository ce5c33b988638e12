"""A wrapper of any module whose adapters change its parameters, for what is no single layer."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
import torch.nn as nn
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import Tensor


class ModuleAdapter(nn.Module, BaseTunerLayer):
    """A frozen module with several parameters, and any number of adapters by name.

    Merged parameters are kept aside as they were, so that unmerging is exact.
    """

    base_layer: Any
    active_adapters: Any
    _all_available_adapter_names: Any

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base_layer = base
        self.merged_adapters: list[str] = []
        self._active_adapter: list[str] = []
        self._disable_adapters = False
        self._unmerged: dict[str, Tensor] = {}

    @abstractmethod
    def values(self, names: list[str]) -> dict[str, Tensor]:
        """The parameters that these adapters change, added to those that the base has now.

        Returns:
            By their names in the base, in its dtypes.
        """

    def acting(self) -> list[str]:
        """The adapters that change what forward computes: active, here, and not merged."""
        if self.disable_adapters or self.merged:
            return []
        return self.present(self.active_adapters)

    def present(self, names: list[str]) -> list[str]:
        """Those of some adapters that are on this module."""
        here = self._all_available_adapter_names()
        return [name for name in names if name in here]

    def original(self, key: str) -> Tensor:
        """A parameter of the base as it is without adapters, detached."""
        now: Tensor = self.base_layer.get_parameter(key).detach()
        return self._unmerged.get(key, now).to(now.device)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Put the changed parameters in the base.

        Args:
            safe_merge: refuse parameters that are not finite.
            adapter_names: the active ones where None.

        Raises:
            ValueError: a parameter is not finite; the base is as it was.
        """
        names = self.present(check_adapters_to_merge(self, adapter_names))
        if not names:
            return
        values = {key: value.detach() for key, value in self.values(names).items()}
        if safe_merge and not all(bool(torch.isfinite(each).all()) for each in values.values()):
            raise ValueError(f"adapters {names}: a merged parameter is not finite. Load sound ones")
        for key, value in values.items():
            parameter = self.base_layer.get_parameter(key)
            self._unmerged.setdefault(key, parameter.data)
            parameter.data = value.clone()
        self.merged_adapters.extend(names)

    def unmerge(self) -> None:
        """Give the base its own parameters again, bit for bit."""
        for key in self._unmerged:
            self.base_layer.get_parameter(key).data = self.original(key)
        self.merged_adapters, self._unmerged = [], {}
