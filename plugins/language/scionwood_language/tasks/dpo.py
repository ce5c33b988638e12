"""Direct preference optimisation. The model without its adapter is the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Unpack, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, RecipeError, Task
from scionwood.authoring import Deployed
from scionwood_language.chat.templates import IGNORED
from scionwood_language.tasks.causal import head_of, hidden_states, splits_at_head
from scionwood_language.tasks.deployed import deployed
from scionwood_language.tasks.losses import answer_log_probabilities


@final
class DirectPreference(Task):
    """Train a model to prefer the better of two answers.

    The reference policy is the model with its adapter switched off, so no second model is needed.
    The task logs `margin`, the difference of the implicit rewards, and `accuracy`, the share of
    pairs whose chosen answer has the higher reward. It also logs the gain in log-probability of
    both answers.

    Shapes: a batch has `input_ids`, `labels` and `attention_mask`, each (2 x pair, token) int64.
        All chosen answers precede all rejected answers. Tokens that are not learned have the label
        -100.

    Units: log-probabilities in nats, summed over the tokens of an answer.

    Source: R. Rafailov et al., arXiv:2305.18290, equation 7, with the implicit reward of section
        5.2. Conservative label smoothing (E. Mitchell, 2023) is off by default.

    Args:
        backbone: a model of `language/causal_lm` with its adapter attached.
        beta: the strength with which the policy is kept close to the reference.
        label_smoothing: the assumed share of pairs with exchanged answers, below 0.5.
        sft_weight: the weight of the cross-entropy of the chosen answers, nats per token, which
            keeps them likely (reconstruction of the term of R. Y. Pang et al., arXiv:2404.19733).
            0 gives equation 7.

    Raises:
        RecipeError: an option is out of range, or the backbone has no adapter.
    """

    defaults: ClassVar[Optimiser] = {"schedule": "cosine"}

    def __init__(
        self,
        backbone: nn.Module,
        *,
        beta: float = 0.1,
        label_smoothing: float = 0.0,
        sft_weight: float = 0.0,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        if beta <= 0 or not 0 <= label_smoothing < 0.5 or sft_weight < 0:
            setting = f"beta={beta}, label_smoothing={label_smoothing}, sft_weight={sft_weight}"
            rule = "beta must be above 0, label_smoothing in [0, 0.5), sft_weight at least 0"
            raise RecipeError(setting, rule, "Such as 0.1, 0 and 1")
        if not hasattr(backbone, "disable_adapter"):
            rule = "it has no reference: that is the model with its adapter switched off"
            raise RecipeError("task language/dpo", rule, "Name an adapter such as lora")
        self._whole: bool | None = None
        self.beta, self.label_smoothing, self.sft_weight = beta, label_smoothing, sft_weight

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of equation 7, the margin, the accuracy, and the gains of both answers.

        A gain is the log-probability of an answer minus its log-probability in the base, nats.
        """
        with torch.no_grad(), self._reference():
            before = self._log_probabilities(batch)
        now = self._log_probabilities(batch)
        # log pi - log pi_ref of both answers; the implicit reward is beta times this.
        chosen, rejected = (now - before).chunk(2)
        margin = self.beta * (chosen - rejected)
        share = self.label_smoothing
        loss = -(1 - share) * F.logsigmoid(margin) - share * F.logsigmoid(-margin)
        # The first label is not predicted from anything, as in `select_learned`.
        lengths = (batch["labels"][: len(margin), 1:] != IGNORED).sum(1)
        nats = -(now[: len(margin)] / lengths).mean()
        return {
            "loss": loss.mean() + self.sft_weight * nats,
            "sft": nats.detach(),
            "margin": margin.detach().mean(),
            "accuracy": (margin.detach() > 0).float().mean(),
            "chosen_gain": chosen.detach().mean(),
            "rejected_gain": rejected.detach().mean(),
        }

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the model as tokens to logits."""
        return deployed(self.backbone)

    def batch_size(self, batch: dict[str, Tensor]) -> int:
        """Return the number of pairs."""
        return len(batch["input_ids"]) // 2

    def _reference(self) -> Any:
        backbone: Any = self.backbone
        return backbone.disable_adapter()

    def _log_probabilities(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the log-probability of each answer, (2 x pair,)."""
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        if self._whole is None:
            self._whole = not splits_at_head(self.backbone, inputs)
        if self._whole:
            width = inputs["input_ids"].shape[1]
            logits = self.backbone(**inputs).logits[:, -width:]
            return answer_log_probabilities(logits, batch["labels"], nn.Identity())
        hidden, _ = hidden_states(self.backbone, inputs)
        return answer_log_probabilities(hidden, batch["labels"], head_of(self.backbone))
