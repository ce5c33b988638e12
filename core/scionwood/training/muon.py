"""The optimiser `muon`: torch's Muon for matrices, and AdamW for what is no matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, final

import torch
from torch.optim import AdamW, Optimizer

from scionwood.errors import TrainingError


@final
class Muon(Optimizer):
    """Orthogonalise the updates of matrices; take AdamW for biases, norms and convolutions.

    torch's own class refuses a parameter that has not two axes. Every other parameter is trained by
    AdamW here, with the same learning rate, because the updates of the two have the same size.

    Args:
        groups: parameter groups with `params`, `lr` and `weight_decay`.
        momentum: the share of the momentum that a step keeps.
        nesterov: whether to use Nesterov momentum.
        ns_coefficients: the coefficients of the Newton-Schulz iteration.
        ns_steps: its steps.
        adjust_lr_fn: how the rate depends on the shape: as large as that of AdamW (Liu 2025), or as
            in the original (Jordan 2024).
        betas: decay rates of the two moments of AdamW.
        eps: the smallest denominator of AdamW.

    Raises:
        TrainingError: torch is older than 2.9.

    Source: Jordan 2024, https://kellerjordan.github.io/posts/muon/; Liu 2025, arXiv:2502.16982.
    """

    def __init__(
        self,
        groups: Sequence[dict[str, Any]],
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        ns_steps: int = 5,
        adjust_lr_fn: Literal["match_rms_adamw", "original"] = "match_rms_adamw",
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        if not hasattr(torch.optim, "Muon"):
            rule = f"it needs torch 2.9, and this is {torch.__version__}"
            raise TrainingError("task.optimizer: muon", rule, "Upgrade torch, or use adamw")
        matrices = [_part(group, matrices=True) for group in groups]
        others = [_part(group, matrices=False) for group in groups]
        self._parts: list[Optimizer] = []
        if matrices := [group for group in matrices if group["params"]]:
            muon = torch.optim.Muon(
                matrices,
                momentum=momentum,
                nesterov=nesterov,
                ns_coefficients=ns_coefficients,
                ns_steps=ns_steps,
                adjust_lr_fn=adjust_lr_fn,
            )
            self._parts.append(muon)
        if others := [group for group in others if group["params"]]:
            self._parts.append(AdamW(others, betas=betas, eps=eps))
        super().__init__([group for part in self._parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set the state of both to a saved one."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Let both work on the groups and the state of this optimiser, which are saved."""
        first = 0
        for part in self._parts:
            last = first + len(part.param_groups)
            part.param_groups, part.state = self.param_groups[first:last], self.state
            first = last


def _part(group: dict[str, Any], *, matrices: bool) -> dict[str, Any]:
    return {**group, "params": [p for p in group["params"] if (p.ndim == 2) is matrices]}
