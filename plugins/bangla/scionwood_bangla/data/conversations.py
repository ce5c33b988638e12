"""Data components for fine-tuning: conversations from the generator or from files, in batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, final

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataFiles, DataLoader, Split
from scionwood_bangla.checker.restate import is_right
from scionwood_bangla.evaluation.fertility import warn_of_fertility
from scionwood_bangla.generator.make import examples
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.model.weights import TINY, language, load_tokenizer, plain
from scionwood_bangla.readers.load import BadRows, Layout, read_examples
from scionwood_bangla.text.examples import Example

SAMPLE = "sample"
Turns = Literal["last", "all"]
"""Which turns of the assistant are learned."""


class Conversations(SplitData):
    """Conversations in three splits. A model learns to write the last turn of each.

    Args:
        tokenizer: the tokenizer of the backbone: `tiny`, a folder, or owner/name on the hub.
        max_length: the maximum number of tokens of an example, and of a packed row.
        packing: whether to put several training examples into one row.
        turns: learn the last turn of the assistant in each example, or all of them.
        batch_size: the number of rows in a batch.
        seed: the seed of all random choices.

    Raises:
        RecipeError: `max_length` is below 2.
        PluginError: the plugin `language`, which makes the batches, is not installed.
    """

    def __init__(
        self,
        *,
        tokenizer: str = TINY,
        max_length: int = 256,
        packing: bool = True,
        turns: Turns = "last",
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        language("check_length")(max_length)
        self.tokenizer_name, self.max_length, self.packing = tokenizer, max_length, packing
        self.turns, self.batch_size, self.seed = turns, batch_size, seed

    @abstractmethod
    def examples(self, split: Split) -> list[Example]:
        """Return the examples of a split."""

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, of transformers."""
        return load_tokenizer(self.tokenizer_name)

    def loader(self, split: Split) -> DataLoader:
        """Return batches of a split. Training batches have a new order each epoch.

        In validation and test, a row has one example, and its prompt for generation.
        """
        batches = self._batches()
        loader: DataLoader = batches.loader(self._items(split, batches.tokenizer), split)
        return loader

    def rows(self, split: Split) -> list[dict[str, Any]]:
        """Return the rows of a split. Training rows are packed if `packing` is set.

        Args:
            split: `train`, `val` or `test`.

        Raises:
            RecipeError: the split has no example, or no answer fits beside its prompt.
        """
        batches = self._batches()
        rows: list[dict[str, Any]] = batches.rows(self._items(split, batches.tokenizer), split)
        return rows

    def judge(self, answers: Sequence[str], batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the share of answers at an accepted level, if each row tells its levels.

        Args:
            answers: the answers to a batch.
            batch: its `register` has the accepted levels of each row, joined by commas.
        """
        accepted = [frozenset(names.split(",")) for names in batch["register"] if names]
        if len(accepted) != len(answers):
            return {}
        matched = [is_right(text, levels) for text, levels in zip(answers, accepted, strict=True)]
        return {"register_match": sum(matched) / len(matched)}

    def _batches(self) -> Any:
        options = (self.max_length, self.packing, self.turns, self.batch_size)
        return language("batches")(self.tokenizer, *options)

    def _items(self, split: Split, tokenizer: Any) -> list[tuple[list[dict[str, str]], Any]]:
        examples = self.examples(split)
        if split == "train":
            texts = [example.completion for example in examples]
            warn_of_fertility(tokenizer, texts, self.max_length)
        return [item_of(example) for example in examples]


def item_of(example: Example) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Return an example as plain data, as `language/batches` takes it.

    Args:
        example: the example. Its levels are joined by commas.
    """
    return plain(example.messages), {"register": ",".join(sorted(example.register or ()))}


@final
class Generated(Conversations):
    """Generated conversations and letters at three levels of address, without any file.

    Validation and test use pairs of verb and tense that training never shows.

    Shapes: a batch has `input_ids` and `labels`, each (row, token) int64. Tokens that are not
        learned have the label -100. Rows of one example have `attention_mask`, packed rows have
        `position_ids`, each (row, token). Batches of validation and test also have `prompt_ids` and
        `prompt_mask`, each (row, token), and `register`, the level of each row.

    Units: tokens.

    Raises:
        WeightsError: the tokenizer cannot be loaded.

    Source: the lexicon and the phrases of this package.

    Args:
        n_train: the number of training examples.
        n_val: the number of validation examples.
        n_test: the number of test examples.
        levels: keep examples of these levels alone (tui, tumi, apni), which makes the level an
            attribute that one adapter holds. null keeps all.
        tokenizer: the tokenizer of the backbone: `tiny`, a folder, or owner/name on the hub.
        max_length: the maximum number of tokens of an example, and of a packed row.
        packing: whether to put several training examples into one row.
        batch_size: the number of rows in a batch.
        seed: the seed of all three splits.
    """

    def __init__(
        self,
        *,
        n_train: int = 4000,
        n_val: int = 60,
        n_test: int = 240,
        levels: list[str] | None = None,
        tokenizer: str = TINY,
        max_length: int = 256,
        packing: bool = True,
        turns: Turns = "last",
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(
            tokenizer=tokenizer,
            max_length=max_length,
            packing=packing,
            turns=turns,
            batch_size=batch_size,
            seed=seed,
        )
        self.counts = (n_train, n_val, n_test)
        self.levels = None if levels is None else frozenset(levels)
        if self.levels is not None and not (self.levels and self.levels <= set(LEVELS)):
            rule = f"levels are some of {', '.join(LEVELS)}"
            raise RecipeError(f"data.levels {levels}", rule, "Name one, or null for all")

    def examples(self, split: Split) -> list[Example]:
        """Return the examples of a split. No prompt is in two splits."""
        train, val, test = self.counts
        if split == "train":
            return self._drawn(train, "seen")
        unseen = self._drawn(val + test, "unseen")
        return unseen[:val] if split == "val" else unseen[val:]

    def _drawn(self, count: int, which: Literal["seen", "unseen"]) -> list[Example]:
        if self.levels is None:
            return examples(count, seed=self.seed, which=which)
        kept: list[Example] = []
        wanted = 2 * count
        while len(kept) < count:  # about a third of the examples has a given level
            wanted *= 2
            drawn = examples(wanted, seed=self.seed, which=which)
            kept = [each for each in drawn if each.register and each.register <= self.levels]
        return kept[:count]


@final
class Files(Conversations):
    """Your own conversations, or BLADE, from a file, a folder or the hub, split by topic.

    Shapes: as in `Generated`. `register` is empty for a row without a register.

    Units: tokens.

    Raises:
        RecipeError: no source is given, or a share is out of range.
        ReadError: a row is invalid. The message names the file, the row, the rule and a remedy.
        WeightsError: the tokenizer cannot be loaded.

    Source: BLADE, arXiv:2605.22487: 4,196 rows in splits of 3,356, 420 and 420. The split by topic
        is ours.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of such files, a data set on
            the hub such as shuvo-xyz/BLADE, or `sample` for 160 generated rows.
        layout: messages (OpenAI), sharegpt, alpaca, or pairs of prompt and completion. auto
            chooses by the names of the columns.
        columns: the columns of pairs by part (prompt, completion, topic, register, system), for
            columns that are not recognised by their names.
        bad_rows: whether to refuse a file at its first invalid row, or to skip such rows with a
            warning.
        on_bad_file: `raise` stops at a file that cannot be read or is refused. `skip` leaves it
            out.
        val_share: the share of the examples for validation.
        test_share: the share of the examples for the test.
        tokenizer: the tokenizer of the backbone: `tiny`, a folder, or owner/name on the hub.
        max_length: the maximum number of tokens of an example, and of a packed row.
        packing: whether to put several training examples into one row.
        batch_size: the number of rows in a batch.
        seed: the seed of the split.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        source: str | Path | None = None,
        layout: Layout = "auto",
        columns: dict[str, str] | None = None,
        bad_rows: BadRows = "refuse",
        on_bad_file: Literal["raise", "skip"] = "raise",
        val_share: float = 0.1,
        test_share: float = 0.1,
        tokenizer: str = TINY,
        max_length: int = 2048,
        packing: bool = True,
        turns: Turns = "last",
        batch_size: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(
            tokenizer=tokenizer,
            max_length=max_length,
            packing=packing,
            turns=turns,
            batch_size=batch_size,
            seed=seed,
        )
        language("check_shares")(val_share, test_share)
        self.source, self.layout, self.columns = source, layout, columns
        self.data_files = DataFiles(
            on_bad_file, [] if source is None or source == SAMPLE else [source]
        )
        self.bad_rows, self.shares = bad_rows, (val_share, test_share)

    def examples(self, split: Split) -> list[Example]:
        """Return the examples of a split. No topic is in two splits."""
        val, test = self.shares
        topics = [str(example.topic) for example in self._read]
        numbers = language("split_by_topic")(topics, val=val, test=test, seed=self.seed)[split]
        return [self._read[number] for number in numbers]

    @cached_property
    def _read(self) -> list[Example]:
        if self.source is None:
            rule = "it must be a file, a folder, or a data set such as shuvo-xyz/BLADE"
            raise RecipeError("data.source null", rule, "Set it, or use data bangla/generated")
        if self.source == SAMPLE:
            return examples(160, seed=0, which="all")
        read = partial(
            read_examples, layout=self.layout, columns=self.columns, bad_rows=self.bad_rows
        )
        found: list[Example] = language("read_all")(self.source, read, self.data_files)
        return found

    def setup(self, stage: str) -> None:
        """Read the files, so that errors appear before training."""
        _ = self._read
