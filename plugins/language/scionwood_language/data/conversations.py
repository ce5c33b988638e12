"""Your own conversations from files, in batches, split by topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from scionwood import RecipeError
from scionwood.authoring import DataFiles, Split
from scionwood_language.chat.templates import Turns
from scionwood_language.data.batches import Item
from scionwood_language.data.conversation_data import ConversationData
from scionwood_language.data.generated import turns as turns_of
from scionwood_language.data.splits import check_shares, split_by_topic
from scionwood_language.model.tiny import TINY
from scionwood_language.readers.layouts import Layout
from scionwood_language.readers.load import BadRows, Conversation, read_all, read_conversations

SAMPLE = "sample"


class Conversations(ConversationData):
    """Conversations of a file, a folder or the hub. A model learns to write their answers.

    Shapes: a batch has `input_ids` and `labels`, each (row, token) int64. Tokens that are not
        learned have the label -100. Rows of one example have `attention_mask`, packed rows have
        `position_ids`, each (row, token). Batches of validation and test also have `prompt_ids` and
        `prompt_mask`, each (row, token), and `answer`, the text of each answer.

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

    hub_example: ClassVar[str] = "user/name"  # what an error proposes as a source

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

    def read(self, source: str | Path) -> list[Any]:
        """Return the conversations of a source or of one of its files.

        Args:
            source: a file, a folder, or a data set on the hub.
        """
        return read_conversations(
            source, layout=self.layout, columns=self.columns, bad_rows=self.bad_rows
        )

    def sample(self) -> list[Any]:
        """Return the conversations of the source `sample`."""
        return sample()

    def examples(self, split: Split) -> list[Any]:
        """Return the conversations of a split. No topic is in two splits.

        Args:
            split: `train`, `val` or `test`.
        """
        val, test = self.shares
        topics = [str(example.topic) for example in self._examples]
        numbers = split_by_topic(topics, val=val, test=test, seed=self.seed)[split]
        return [self._examples[number] for number in numbers]

    def items(self, split: Split) -> list[Item]:
        """Return the conversations of a split with their answers; see `ConversationData.items`."""
        conversations = [example.messages for example in self.examples(split)]
        return [(messages, {"answer": messages[-1]["content"]}) for messages in conversations]

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
    def _examples(self) -> list[Any]:
        if self.source is None:
            rule = f"it must be a file, a folder, or a data set such as {self.hub_example}"
            raise RecipeError("data.source null", rule, "Set it, or use `sample`")
        if self.source == SAMPLE:
            return self.sample()
        return read_all(self.source, self.read, self.data_files)


def sample(n: int = 80) -> list[Conversation]:
    """Return questions about numbers with their answers, for a recipe without files.

    Args:
        n: the number of conversations.
    """
    questions = [f"What comes after {number}?" for number in range(n)]
    return [
        Conversation(turns_of(question, f"{number + 1}."), question)
        for number, question in enumerate(questions)
    ]
