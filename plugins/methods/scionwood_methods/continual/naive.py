"""Sequential training without protection, to compare with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, final

from peft import PeftModel
from torch import Tensor

from scionwood_methods.continual.controller import ContinualMethod


@final
class Naive(ContinualMethod):
    """Remembers nothing and holds nothing back: one adapter, trained on and on."""

    name = "naive"

    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Do nothing."""

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Do nothing."""
