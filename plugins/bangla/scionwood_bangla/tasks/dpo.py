"""Direct preference optimisation of how people are addressed; the base is the reference."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError, Task
from scionwood_bangla.text.templates import IGNORED

Schedule = Literal["constant", "cosine"]


@final
class RegisterPreference(Task):
    """Prefer the answer whose level of address is right over the same one where it is not.

    The reference policy is the model with its adapter switched off, so that no second model is
    needed. Logged beside the loss: `margin`, the difference of the two implicit rewards;
    `accuracy`, the share of pairs in which that of the chosen answer is the higher one; and by how
    much each answer's log-probability has grown.

    Shapes: a batch holds `input_ids`, `labels` and `attention_mask`, each (2 pairs, token) int64,
        the chosen answers before the rejected ones; labels are -100 where nothing is learned.

    Units: log-probabilities in nats, summed over the tokens of an answer.

    Source: R. Rafailov et al., arXiv:2305.18290, equation 7; the implicit reward is that of its
        section 5.2. Conservative label smoothing (E. Mitchell, 2023) is off by default.

    Args:
        backbone: a causal language model of this plugin, its adapter attached.
        beta: how closely the policy is kept to the reference.
        label_smoothing: the share of pairs that are taken to be the wrong way round, below 0.5.
        sft_weight: of the cross-entropy of the chosen answers, nats a token, which keeps them
            likely (reconstruction of the term of R. Y. Pang et al., arXiv:2404.19733); 0 is
            equation 7 alone.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.

    Raises:
        RecipeError: beta or label smoothing out of range, or a backbone without adapter.
    """

    monitor: ClassVar[str] = "val_loss"

    def __init__(
        self,
        backbone: nn.Module,
        *,
        beta: float = 0.1,
        label_smoothing: float = 0.0,
        sft_weight: float = 0.0,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        schedule: Schedule = "cosine",
    ) -> None:
        super().__init__(
            backbone, lr=lr, weight_decay=weight_decay, warmup_steps=warmup_steps, schedule=schedule
        )
        if beta <= 0 or not 0 <= label_smoothing < 0.5 or sft_weight < 0:
            given = f"beta={beta}, label_smoothing={label_smoothing}, sft_weight={sft_weight}"
            raise RecipeError(given, "above 0; from 0 and below 0.5; 0 or more")
        if not hasattr(backbone, "disable_adapter"):
            rule = "without an adapter there is no reference, which is the base with it off"
            raise RecipeError("task bangla/dpo", rule, "Name an adapter such as lora")
        self.beta, self.label_smoothing, self.sft_weight = beta, label_smoothing, sft_weight

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Equation 7 over the pairs of a batch; margin, accuracy, and both answers' gains in nats.

        A gain is how much likelier than in the base an answer has become.
        """
        with torch.no_grad(), self._reference():
            before = self._log_probabilities(batch)
        now = self._log_probabilities(batch)
        chosen, rejected = (now - before).chunk(2)
        margin = self.beta * (chosen - rejected)
        share = self.label_smoothing
        loss = -(1 - share) * F.logsigmoid(margin) - share * F.logsigmoid(-margin)
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

    def batch_size(self, batch: dict[str, Tensor]) -> int:
        """The number of pairs."""
        return len(batch["input_ids"]) // 2

    def _reference(self) -> Any:
        backbone: Any = self.backbone
        return backbone.disable_adapter()

    def _log_probabilities(self, batch: dict[str, Tensor]) -> Tensor:
        """The log-probability of each answer, (2 pairs,)."""
        mask = batch["attention_mask"]
        logits = self.backbone(input_ids=batch["input_ids"], attention_mask=mask).logits
        return answer_log_probabilities(logits, batch["labels"])


def answer_log_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    """The sum of the log-probabilities of the tokens that are learned.

    Args:
        logits: (text, token, vocabulary).
        labels: (text, token) int64; -100 where nothing is learned.

    Returns:
        (text,) float32, nats.
    """
    width = logits.shape[-1]
    flat = F.cross_entropy(
        logits[:, :-1].reshape(-1, width).float(),
        labels[:, 1:].reshape(-1),
        ignore_index=IGNORED,
        reduction="none",
    )
    return -flat.view(len(labels), -1).sum(1)
