"""Your own conversations from files, in batches, split by topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, final

from scionwood import RecipeError
from scionwood.authoring import DataFiles, Split
from scionwood_language.chat.templates import Turns
from scionwood_language.data.conversation_data import ConversationData, Item
from scionwood_language.data.generated import turns as turns_of
from scionwood_language.data.splits import check_shares, split_by_topic
from scionwood_language.model.tiny import TINY
from scionwood_language.readers.layouts import Layout
from scionwood_language.readers.load import BadRows, Conversation, read_all, read_conversations

SAMPLE = "sample"


@final
class Conversations(ConversationData):
    """Conversations of a file, a folder or the hub. A model learns to write their answers.

    Shapes: a batch has `input_ids` and `labels`, each (row, token) int64. Tokens that are not
        learned have the label -100. Rows of one example have `attention_mask`, packed rows have
        `position_ids`, each (row, token). Batches of validation and test also have `turns`,
        those before each answer, and `answer`, the text of each answer.

    Units: tokens.

    Raises:
        RecipeError: a share or a length is out of range.
        ReadError: a row is invalid. The message names the file, the row, the rule and a remedy.
        WeightsError: the tokenizer cannot be loaded, or its template does not write the answers.

    Source: your files; the sample is ours.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of such files, a data set on
            the hub as owner/name, or `sample` for 80 questions about numbers.
        layout: messages (OpenAI), sharegpt, alpaca, or pairs of prompt and completion. auto
            chooses by the names of the columns.
        columns: the columns of pairs by part (prompt, completion, topic, system), for columns that
            are not recognised by their names.
        bad_rows: whether to refuse a file at its first invalid row, or to skip such rows with a
            warning.
        on_bad_file: `raise` stops at a file that cannot be read or is refused. `skip` leaves it
            out.
        val_share: the share of the examples for validation.
        test_share: the share of the examples for the test.
        seed: the seed of the split.

    Example:
        >>> from scionwood_language import Conversations
        >>> sorted(next(iter(Conversations().val_dataloader())))[:3]
        ['answer', 'attention_mask', 'input_ids']
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        source: str | Path | None = SAMPLE,
        layout: Layout = "auto",
        columns: dict[str, str] | None = None,
        bad_rows: BadRows = "refuse",
        on_bad_file: Literal["raise", "skip"] = "raise",
        val_share: float = 0.1,
        test_share: float = 0.1,
        tokenizer: str = TINY,
        max_length: int = 256,
        packing: bool = True,
        turns: Turns = "last",
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(tokenizer, max_length, packing, turns, batch_size, seed)
        check_shares(val_share, test_share)
        self.source, self.layout, self.columns = source, layout, columns
        self.data_files = DataFiles(on_bad_file, [] if source in (None, SAMPLE) else [source])
        self.bad_rows, self.shares = bad_rows, (val_share, test_share)

    def items(self, split: Split) -> list[Item]:
        """Return the conversations of a split with their answers. No topic is in two splits.

        Args:
            split: `train`, `val` or `test`.
        """
        val, test = self.shares
        topics = [example.topic for example in self._examples]
        numbers = split_by_topic(topics, val=val, test=test, seed=self.seed)[split]
        turns = [self._examples[number].messages for number in numbers]
        return [(messages, {"answer": messages[-1]["content"]}) for messages in turns]

    def judge(self, answers: Sequence[str], batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the share of answers that equal those of the file, `exact`.

        Args:
            answers: the answers to a batch.
            batch: its `answer` is the right answer of each row.
        """
        pairs = zip(answers, batch["answer"], strict=True)
        return {"exact": sum(text.strip() == answer for text, answer in pairs) / len(answers)}

    def setup(self, stage: str) -> None:
        """Read the files, so that errors appear before training."""
        _ = self._examples

    @cached_property
    def _examples(self) -> list[Conversation]:
        if self.source is None:
            rule = "it must be a file, a folder, or a data set such as user/name"
            raise RecipeError("data.source null", rule, "Set it, or use `sample`")
        if self.source == SAMPLE:
            questions = [f"What comes after {number}?" for number in range(80)]
            answered = enumerate(questions)
            return [Conversation(turns_of(asking, f"{n + 1}."), asking) for n, asking in answered]
        options: Any = {"layout": self.layout, "columns": self.columns, "bad_rows": self.bad_rows}
        return read_all(self.source, partial(read_conversations, **options), self.data_files)
