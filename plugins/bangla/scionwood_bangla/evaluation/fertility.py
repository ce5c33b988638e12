"""Measure the fertility of a tokenizer: its tokens per Bangla word."""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from scionwood import PluginError, ReadError
from scionwood.authoring import reading
from scionwood_bangla.text.normalise import BENGALI

WARN = 4.0
"""Tokens per word above which there is a warning, since letters no longer fit common windows."""

Count = Callable[[str], int]


@dataclass(frozen=True)
class Fertility:
    """The fertility of a tokenizer on Bangla words.

    Attributes:
        name: the name of its file or folder.
        vocabulary: the number of its entries.
        tokens_per_word: the mean number of tokens, weighted by the frequency of the words.
        words_per_window: the number of words that fit the window.
    """

    name: str
    vocabulary: int
    tokens_per_word: float
    words_per_window: int

    @property
    def warning(self) -> str:
        """The consequence of a high fertility, or an empty string."""
        if self.tokens_per_word <= WARN:
            return ""
        return f"above {WARN:g} tokens per word: texts are cut at {self.words_per_window} words"


def measure(path: str | Path, words: Mapping[str, float], window: int) -> Fertility:
    """Count the tokens of each word with the space before it.

    Args:
        path: a tokenizer: `tokenizer.json`, a folder with one, a tekken JSON, a SentencePiece
            `.model`, or ranks as `.tiktoken`.
        words: the frequency of each word.
        window: the context length of the model, tokens.

    Raises:
        ReadError: the path is not a tokenizer, or the tokenizer is damaged.
        PluginError: the library for its format is not installed.
    """
    if window < 1 or not words:
        setting = f"window {window}, {len(words)} words"
        raise ReadError(setting, "both must be at least 1", "Give a window and a text with words")
    count, vocabulary = load_counter(path)
    total = sum(words.values())
    mean = sum(weight * count(word) for word, weight in words.items()) / total
    return Fertility(Path(path).name, vocabulary, mean, int(window / mean))


def warn_of_fertility(tokenizer: Any, texts: Sequence[str], window: int) -> None:
    """Warn if a tokenizer of transformers needs more than `WARN` tokens for a word of texts.

    Args:
        tokenizer: the tokenizer.
        texts: the texts.
        window: the number of tokens of a row.
    """
    words = sum(sum(words_of_text(text).values()) for text in texts)
    ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    tokens = sum(map(len, ids))
    if words and tokens / words > WARN:
        fertility = f"the tokenizer needs {tokens / words:.1f} tokens per word, above {WARN:g}"
        fit = f"a row of {window} tokens holds {round(window * words / tokens)} words"
        warnings.warn(f"{fertility}: {fit}", stacklevel=5)


def words_of_text(text: str) -> dict[str, float]:
    """Return how often each Bangla word occurs in a text.

    Args:
        text: the normalised text.
    """
    return dict(Counter(re.findall(f"[{BENGALI}\u200c\u200d]+", text)))


def words_of_wordfreq() -> dict[str, float]:
    """Return all Bangla words of the package wordfreq, in its spelling, with their frequencies.

    Raises:
        PluginError: wordfreq is not installed.
    """
    try:
        from wordfreq import get_frequency_dict
    except ImportError as error:
        remedy = "pip install wordfreq, or give a text with --text"
        raise PluginError("wordfreq", "it is not installed", remedy) from error
    listed = get_frequency_dict("bn", "large")
    return {word: f for word, f in listed.items() if re.search(f"[{BENGALI}]", word)}


def locate(name: str) -> Path:
    """Return the path of a tokenizer from a path, or from DISTRIBUTION:FILE of a package.

    Args:
        name: a path, or a name such as `mistral-common:tekken_240911.json`.

    Raises:
        ReadError: the package is not installed, or it has no such file.
    """
    package, colon, file = name.partition(":")
    if not colon or Path(name).exists():
        return Path(name)
    try:
        matches = [item for item in files(package) or () if item.name == file]
    except PackageNotFoundError as error:
        remedy = f"pip install {package}, or give a path"
        raise ReadError(name, f"{package} is not installed", remedy) from error
    if not matches:
        raise ReadError(name, f"{package} has no such file", "Check the files of the package")
    return Path(str(matches[0].locate()))


def load_counter(path: str | Path) -> tuple[Count, int]:
    """Return a function that counts the tokens of a word, and the size of the vocabulary.

    Args:
        path: a tokenizer, as for `measure`.

    Raises:
        ReadError: the path is not a tokenizer, or the tokenizer is damaged.
        PluginError: the library for its format is not installed.
    """
    file = Path(path) / "tokenizer.json" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        remedy = "Give tokenizer.json, its folder, tekken.json, a .model or a .tiktoken file"
        raise ReadError(str(file), "there is no tokenizer", remedy)
    with reading(file, "tokenizer"):
        if file.suffix == ".tiktoken":
            return _tiktoken(file)
        if file.suffix == ".json":
            return _json(file)
        return _sentencepiece(file)


def _json(file: Path) -> tuple[Count, int]:
    content: Any = json.loads(file.read_text("utf-8"))
    if "config" in content and isinstance(content.get("vocab"), list):
        return _tekken(content)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    count = _after_a_word(lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids))
    return count, tokenizer.get_vocab_size()


def _tekken(content: Any) -> tuple[Count, int]:
    config = content["config"]
    size = config["default_vocab_size"] - config["default_num_special_tokens"]
    ranks = {base64.b64decode(e["token_bytes"]): e["rank"] for e in content["vocab"][:size]}
    return _bytes(ranks, config["pattern"]), config["default_vocab_size"]


def _tiktoken(file: Path) -> tuple[Count, int]:
    lines = (line.split() for line in file.read_text("utf-8").splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    # The file does not contain the pattern. This is the pattern of Qwen, which splits at marks.
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    return _bytes(ranks, pattern), len(ranks)


def _bytes(ranks: dict[bytes, int], pattern: str) -> Count:
    tiktoken = _library("tiktoken")
    coding = tiktoken.Encoding("local", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda word: len(coding.encode(" " + word))


def _sentencepiece(file: Path) -> tuple[Count, int]:
    processor = _library("sentencepiece").SentencePieceProcessor(model_file=str(file))
    return _after_a_word(lambda text: len(processor.encode(text))), processor.vocab_size()


def _after_a_word(count: Count) -> Count:
    """Return the count of a word in a text: some tokenizers put a space of their own before it."""
    before = count("a")
    return lambda word: count(f"a {word}") - before


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        remedy = "pip install sentencepiece tiktoken wordfreq"
        raise PluginError(name, "the format of this tokenizer needs it", remedy) from error
