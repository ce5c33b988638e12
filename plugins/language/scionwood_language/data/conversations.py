"""Your own conversations from files, in batches, split by topic."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, final

from scionwood import SplitData
from scionwood.authoring import DataFiles, DataLoader, Split
from scionwood_language.chat.templates import Message, Turns
from scionwood_language.data.batches import Batches, Item, check_length
from scionwood_language.data.splits import check_shares, split_by_topic
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import load_tokenizer
from scionwood_language.readers.layouts import Layout
from scionwood_language.readers.load import (
    BadRows,
    Conversation,
    conversation,
    read_all,
    read_conversations,
)

SAMPLE = "sample"


@final
class Conversations(SplitData):
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
        tokenizer: the tokenizer of the backbone: the same name as `backbone.model`.
        max_length: the maximum number of tokens of an example, and of a packed row.
        packing: whether to put several training examples into one row.
        turns: learn the last turn of the assistant in each example, or all of them.
        batch_size: the number of rows in a batch.
        seed: the seed of the split.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        source: str | Path = SAMPLE,
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
        super().__init__()
        check_length(max_length)
        check_shares(val_share, test_share)
        self.source, self.layout, self.columns = source, layout, columns
        self.data_files = DataFiles(on_bad_file, [] if source == SAMPLE else [source])
        self.bad_rows, self.shares, self.seed = bad_rows, (val_share, test_share), seed
        self.tokenizer_name, self.batch_size = tokenizer, batch_size
        self.max_length, self.packing, self.turns = max_length, packing, turns

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, of transformers."""
        return load_tokenizer(self.tokenizer_name)

    def examples(self, split: Split) -> list[Conversation]:
        """Return the conversations of a split. No topic is in two splits."""
        val, test = self.shares
        topics = [each.topic for each in self._read]
        numbers = split_by_topic(topics, val=val, test=test, seed=self.seed)[split]
        return [self._read[number] for number in numbers]

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        items: list[Item] = [
            (each.messages, {"answer": each.messages[-1]["content"]})
            for each in self.examples(split)
        ]
        batches = Batches(
            self.tokenizer, self.max_length, self.packing, self.turns, self.batch_size
        )
        return batches.loader(items, split)

    def judge(self, answers: Sequence[str], batch: dict[str, Any]) -> dict[str, float]:
        """Return the share of answers that equal those of the file, `exact`."""
        pairs = zip(answers, batch["answer"], strict=True)
        return {"exact": sum(made.strip() == own for made, own in pairs) / len(answers)}

    def setup(self, stage: str) -> None:
        """Read the files, so that errors appear before training."""
        _ = self._read

    @cached_property
    def _read(self) -> list[Conversation]:
        if self.source == SAMPLE:
            return sample()
        read = partial(
            read_conversations,
            layout=self.layout,
            columns=self.columns,
            bad_rows=self.bad_rows,
            make=conversation,
        )
        return read_all(self.source, read, self.data_files)


def sample(n: int = 80) -> list[Conversation]:
    """Return questions about numbers with their answers, for a recipe without files.

    Args:
        n: the number of conversations.
    """
    made = []
    for number in range(n):
        asked = f"What comes after {number}?"
        turns: list[Message] = [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": f"{number + 1}."},
        ]
        made.append(Conversation(turns, asked))
    return made
