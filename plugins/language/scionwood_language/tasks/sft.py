"""Supervised fine-tuning: learn the assistant's answer and its end from the conversation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, final

import torch
from torch import Tensor, nn

from scionwood import Optimiser, RecipeError, Task
from scionwood.authoring import Deployed
from scionwood_language.chat.templates import IGNORED, prompt_ids
from scionwood_language.inference.decoding import Decoding
from scionwood_language.inference.writer import answers_to
from scionwood_language.tasks.causal import (
    check_context,
    check_isolated,
    inner,
    loss_of,
    splits_at_head,
)
from scionwood_language.tasks.deployed import deployed

if TYPE_CHECKING:
    pass

INPUTS = ("input_ids", "attention_mask", "position_ids")


@final
class Sft(Task):
    """Supervised fine-tuning on completions: the cross-entropy of the answer and of its end.

    Validation also generates greedy answers. It logs the share of answers that end (`ended`), and
    what the data component says of them: its method `judge(answers, batch)` returns shares by name.

    Shapes: a batch has `input_ids` and `labels`, each (row, token) int64, with label -100 for
        tokens that are not learned, and `attention_mask` or `position_ids`, (row, token). For
        generation it has `turns`, those before the answer of each row, and what its judge needs.

    Units: nats per token; shares from 0 to 1.

    Raises:
        RecipeError: data and backbone have different tokenizers, or the model does not separate
            packed examples.

    Source: Ouyang et al. 2022, arXiv:2203.02155, section 3.5, for the loss on completions.

    Args:
        backbone: a model of `language/causal_lm` with its adapter attached.
        label_smoothing: the share of the target distribution that is spread over the vocabulary, in
            training.
        max_new_tokens: the maximum number of tokens of an answer in validation; 0 for no answers.
    """

    defaults: ClassVar[Optimiser] = {"lr": 2e-4, "schedule": "cosine"}

    def __init__(
        self,
        backbone: nn.Module,
        *,
        label_smoothing: float = 0.0,
        max_new_tokens: int = 128,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.label_smoothing, self.max_new_tokens = label_smoothing, max_new_tokens
        self._whole: bool | None = None
        self._checked = False

    def on_fit_start(self) -> None:
        """Refuse data of another tokenizer."""
        data = self._data()
        data_tokenizer = getattr(data, "tokenizer", None)
        if data_tokenizer is not None and data_tokenizer.get_vocab() != self.tokenizer.get_vocab():
            rule = "its vocabulary differs from that of the backbone"
            remedy = "Name the same model in data.tokenizer and backbone.model"
            raise RecipeError(f"data.tokenizer {data.tokenizer_name}", rule, remedy)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the backbone."""
        return inner(self.backbone).tokenizer

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the cross-entropy of the answers, nats per token."""
        inputs = {name: batch[name] for name in INPUTS if name in batch}
        check_context(inner(self.backbone), inputs)
        if "position_ids" in batch and not self._checked:
            check_isolated(self.backbone, inputs)
            self._checked = True
        if self._whole is None:
            self._whole = not splits_at_head(self.backbone, inputs)
        # Validation measures nats per token, which smoothing would change.
        smoothing = self.label_smoothing if self.training else 0.0
        loss = loss_of(
            self.backbone, inputs, batch["labels"], smoothing=smoothing, whole=self._whole
        )
        return {"loss": loss}

    def counts(self, batch: dict[str, Any]) -> dict[str, float]:
        """Return the learned tokens, over which the loss is a mean."""
        return {"loss": int((batch["labels"][:, 1:] != IGNORED).sum())}

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the share of greedy answers that end, and the shares of the judge of the data."""
        if "turns" not in batch or not self.max_new_tokens:
            return {}
        answers, ended = self.answers(batch)
        shares = {"ended": torch.tensor(ended).float().mean()}
        judge = getattr(self._data(), "judge", None)
        verdicts = {} if judge is None else judge(answers, batch)
        return shares | {name: torch.tensor(float(value)) for name, value in verdicts.items()}

    def answers(self, batch: dict[str, Any]) -> tuple[list[str], list[bool]]:
        """Return greedy answers to the requests of a batch, and whether each answer ends."""
        ids = [prompt_ids(self.tokenizer, turns) for turns in batch["turns"]]
        decoding = Decoding(max_new_tokens=self.max_new_tokens)
        answers = answers_to(self.backbone, self.tokenizer, ids, decoding)
        return [answer.text for answer in answers], [answer.ended for answer in answers]

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the model as tokens to logits."""
        return deployed(self.backbone)

    def _data(self) -> Any:
        # Outside of a trainer there is no data component, and so no judge.
        return getattr(getattr(self, "_trainer", None), "datamodule", None)
