"""What is learned: the assistant's answer and its end, given the conversation before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import torch
from torch import Tensor, nn

from scionwood import RecipeError, Task
from scionwood_bangla.checker.restate import is_right
from scionwood_bangla.tasks.causal import check_isolated, inner, loss_of, splits_at_head

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INPUTS = ("input_ids", "attention_mask", "position_ids")


@final
class Sft(Task):
    """Supervised fine-tuning on completions: cross-entropy of the answer and of its end alone.

    Validation also answers the prompts greedily, and has the checker judge the answers: the share
    that keeps to one of the levels asked for, and the share that ends.

    Shapes: a batch holds `input_ids` and `labels` (row, token) int64, -100 where nothing is
        learned, and `attention_mask` or `position_ids`; for generation `prompt_ids`, `prompt_mask`
        (row, token) and `register`, the accepted levels by row, joined by commas.

    Units: nats a token; shares from 0 to 1.

    Raises:
        RecipeError: data and backbone have other tokens, or the model lets packed examples see
            each other.

    Source: Ouyang et al. 2022, arXiv:2203.02155, section 3.5, for the loss on completions; the
        score of address is this package's.

    Args:
        backbone: `bangla/causal_lm`, its adapter attached.
        label_smoothing: the share of the target that is spread over the vocabulary, in training.
        max_new_tokens: of an answer in validation; 0 for none.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        label_smoothing: float = 0.0,
        max_new_tokens: int = 128,
        lr: float = 2e-4,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        schedule: Literal["constant", "cosine"] = "cosine",
    ) -> None:
        super().__init__(
            backbone, lr=lr, weight_decay=weight_decay, warmup_steps=warmup_steps, schedule=schedule
        )
        self.label_smoothing, self.max_new_tokens = label_smoothing, max_new_tokens
        self._whole: bool | None = None
        self._checked = False

    def on_fit_start(self) -> None:
        """Refuse data that another tokenizer made."""
        data: Any = getattr(self.trainer, "datamodule", None)
        theirs = getattr(data, "tokenizer", None)
        if theirs is not None and theirs.get_vocab() != self.tokenizer.get_vocab():
            rule = "its tokens are not those of the backbone"
            remedy = "Name the same model in data.tokenizer and backbone.model"
            raise RecipeError(f"data.tokenizer {data.tokenizer_name}", rule, remedy)

    @property
    def tokenizer(self) -> Any:
        """That of the backbone."""
        return inner(self.backbone).tokenizer

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The cross-entropy of the answers, nats a token."""
        inputs = {name: batch[name] for name in INPUTS if name in batch}
        if "position_ids" in batch and not self._checked:
            check_isolated(self.backbone, inputs)
            self._checked = True
        if self._whole is None:
            self._whole = not splits_at_head(self.backbone, inputs)
        smoothing = self.label_smoothing if self.training else 0.0
        loss = loss_of(
            self.backbone, inputs, batch["labels"], smoothing=smoothing, whole=self._whole
        )
        return {"loss": loss}

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Greedy answers: the share that ends, and that keeps to an accepted level."""
        if "prompt_ids" not in batch or not self.max_new_tokens:
            return {}
        answers, ended = self.answers(batch)
        found = {"ended": torch.tensor(ended).float().mean()}
        accepted = [frozenset(names.split(",")) for names in batch["register"] if names]
        if len(accepted) == len(answers):
            matched = [
                is_right(text, levels) for text, levels in zip(answers, accepted, strict=True)
            ]
            found["register_match"] = torch.tensor(matched).float().mean()
        return found

    @torch.no_grad()
    def answers(self, batch: dict[str, Any]) -> tuple[list[str], list[bool]]:
        """Greedy answers to the prompts of a batch, and whether each ends by itself."""
        model: Any = self.backbone
        tokenizer, start = self.tokenizer, batch["prompt_ids"].shape[1]
        made = model.generate(
            input_ids=batch["prompt_ids"],
            attention_mask=batch["prompt_mask"],
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )[:, start:]
        ended = (made == tokenizer.eos_token_id).any(1).tolist()
        return tokenizer.batch_decode(made, skip_special_tokens=True), ended

    def draw(self, batch: dict[str, Any]) -> dict[str, Figure]:
        """The share of answers at an accepted level, and that end, over the steps."""
        from scionwood_bangla.evaluation.curves import learning_curve

        found = learning_curve(Path(self.trainer.default_root_dir) / "metrics.csv")
        return {"register": found} if found is not None else {}
