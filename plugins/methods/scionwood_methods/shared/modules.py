"""A wrapper of any module whose adapters change its parameters; single layers have another one."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
import torch.nn as nn
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import Tensor

from scionwood_methods.shared.sizes import Sizes


class ModuleAdapter(Sizes, nn.Module, BaseTunerLayer):  # type: ignore[misc]  # peft has no type hints
    """A frozen module with several parameters and any number of named adapters.

    The original parameters are stored while adapters are merged, so that unmerging is exact.
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
        """Return the parameters that these adapters change, with their changes added.

        Returns:
            The parameters by their names in the base module, in its dtypes.
        """

    def acting(self) -> list[str]:
        """Return the adapters of this module that `forward` applies: active and not merged."""
        if self.disable_adapters or self.merged:
            return []
        return self.present(self.active_adapters)

    def present(self, names: list[str]) -> list[str]:
        """Return the given adapters that this module has."""
        available = self._all_available_adapter_names()
        return [name for name in names if name in available]

    def original(self, key: str) -> Tensor:
        """Return a parameter of the base module without adapters, detached."""
        now = self.parameter(key).detach()
        return self._unmerged.get(key, now).to(now.device)

    def parameter(self, key: str) -> Tensor:
        """Return a parameter of the base module; inside FSDP's forward it is a plain tensor."""
        owner, _, name = key.rpartition(".")
        value: Tensor = getattr(self.base_layer.get_submodule(owner), name)
        return value

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Write the changed parameters into the base module.

        Args:
            safe_merge: refuse parameters that are not finite.
            adapter_names: the adapters to merge; `None` means the active ones.

        Raises:
            ValueError: a parameter is not finite; the base module is left as it was.
        """
        names = self.present(check_adapters_to_merge(self, adapter_names))
        if not names:
            return
        values = {key: value.detach() for key, value in self.values(names).items()}
        if safe_merge and not all(bool(torch.isfinite(value).all()) for value in values.values()):
            rule = "a merged parameter is not finite"
            raise ValueError(f"adapters {names}: {rule}. Load an adapter without NaN or inf")
        for key, value in values.items():
            parameter = self.base_layer.get_parameter(key)
            self._unmerged.setdefault(key, parameter.data)
            parameter.data = value.clone()
        self.merged_adapters.extend(names)

    def unmerge(self) -> None:
        """Restore the original parameters of the base module, bit for bit."""
        for key in self._unmerged:
            self.base_layer.get_parameter(key).data = self.original(key)
        self.merged_adapters, self._unmerged = [], {}
