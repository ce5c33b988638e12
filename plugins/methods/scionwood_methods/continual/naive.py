"""Sequential training without protection, as a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, final

from peft import PeftModel
from torch import Tensor

from scionwood_methods.continual.controller import ContinualMethod


@final
class Naive(ContinualMethod):
    """Stores nothing and protects nothing: one adapter trains on task after task."""

    name = "naive"

    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Do nothing."""

    def state(self) -> dict[str, Tensor]:
        """Return an empty memory."""
        return {}

    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Do nothing."""
