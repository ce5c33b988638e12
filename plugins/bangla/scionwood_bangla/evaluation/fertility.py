"""How many tokens a tokenizer makes of a Bangla word, and how many words fit its window."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from scionwood import PluginError, ReadError
from scionwood_bangla.text.normalise import BENGALI

WARN = 4.0
"""Tokens a word above which letters no longer fit usual windows."""

Count = Callable[[str], int]


@dataclass(frozen=True)
class Fertility:
    """What a tokenizer makes of Bangla words.

    Attributes:
        name: of its file or folder.
        vocabulary: entries.
        tokens_per_word: mean, weighted by how often the words occur.
        words_per_window: how many fit the window.
    """

    name: str
    vocabulary: int
    tokens_per_word: float
    words_per_window: int

    @property
    def warning(self) -> str:
        """What a high fertility means, or nothing."""
        if self.tokens_per_word <= WARN:
            return ""
        return (
            f"above {WARN:g} tokens a word: long texts will be cut at {self.words_per_window} words"
        )


def measure(path: Path, words: Mapping[str, float], window: int) -> Fertility:
    """Count tokens of each word, with the space before it.

    Args:
        path: a tokenizer: `tokenizer.json`, a folder with one, tekken JSON, SentencePiece `.model`,
            or ranks as `.tiktoken`.
        words: how often each occurs.
        window: tokens that the model sees at once.

    Raises:
        ReadError: no tokenizer is there, or it is damaged.
        PluginError: the library for its format is not installed.
    """
    if window < 1 or not words:
        raise ReadError(
            f"window {window}, {len(words)} words", "both are 1 or more", "Correct them"
        )
    count, vocabulary = load_counter(path)
    total = sum(words.values())
    mean = sum(weight * count(word) for word, weight in words.items()) / total
    return Fertility(path.name, vocabulary, mean, int(window / mean))


def words_of_text(text: str) -> dict[str, float]:
    """How often each Bangla word occurs in a text.

    Args:
        text: normalised.
    """
    return dict(Counter(re.findall(f"[{BENGALI}\u200c\u200d]+", text)))


def words_of_wordfreq() -> dict[str, float]:
    """All Bangla words of the package wordfreq with their frequencies, as it spells them.

    Raises:
        PluginError: wordfreq is not installed.
    """
    try:
        from wordfreq import get_frequency_dict
    except ImportError as error:
        remedy = "pip install wordfreq, or give a text with --text"
        raise PluginError("wordfreq", "it is not installed", remedy) from error
    found = get_frequency_dict("bn", "large")
    return {word: f for word, f in found.items() if re.search(f"[{BENGALI}]", word)}


def locate(name: str) -> Path:
    """The path of a tokenizer: `name` itself, or DISTRIBUTION:FILE of an installed package.

    Args:
        name: a path, or such as `mistral-common:tekken_240911.json`.

    Raises:
        ReadError: the package is not installed, or has no such file.
    """
    package, colon, file = name.partition(":")
    if not colon or Path(name).exists():
        return Path(name)
    try:
        found = [item for item in files(package) or () if item.name == file]
    except PackageNotFoundError as error:
        remedy = f"pip install {package}, or give a path"
        raise ReadError(name, f"{package} is not installed", remedy) from error
    if not found:
        raise ReadError(name, f"{package} has no such file", "Look into its folder")
    return Path(str(found[0].locate()))


def load_counter(path: Path) -> tuple[Count, int]:
    """A function that counts a word's tokens, and the size of the vocabulary.

    Args:
        path: as for `measure`.

    Raises:
        ReadError: no tokenizer is there, or it is damaged.
        PluginError: the library for its format is not installed.
    """
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        remedy = "Give tokenizer.json, its folder, tekken.json, a .model or a .tiktoken file"
        raise ReadError(str(file), "there is no tokenizer", remedy)
    try:
        if file.suffix == ".tiktoken":
            return _tiktoken(file)
        if file.suffix == ".json":
            return _json(file)
        return _sentencepiece(file)
    except (PluginError, ReadError):
        raise
    except Exception as error:  # each library has its own errors for a damaged file
        raise ReadError(str(file), f"it is no tokenizer ({error})", "Copy it again") from error


def _json(file: Path) -> tuple[Count, int]:
    found: Any = json.loads(file.read_text("utf-8"))
    if "config" in found and isinstance(found.get("vocab"), list):
        return _tekken(found)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    return (
        lambda word: len(tokenizer.encode(" " + word, add_special_tokens=False).ids),
        tokenizer.get_vocab_size(),
    )


def _tekken(found: Any) -> tuple[Count, int]:
    config = found["config"]
    kept = config["default_vocab_size"] - config["default_num_special_tokens"]
    ranks = {base64.b64decode(e["token_bytes"]): e["rank"] for e in found["vocab"][:kept]}
    return _bytes(ranks, config["pattern"]), config["default_vocab_size"]


def _tiktoken(file: Path) -> tuple[Count, int]:
    lines = (line.split() for line in file.read_text("utf-8").splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    # The pattern is not in the file; this is the one of Qwen, which takes marks for no letters.
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
    return lambda word: len(processor.encode(word)), processor.vocab_size()  # it adds the space


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        remedy = "pip install 'scionwood-bangla[tokenizers]'"
        raise PluginError(name, "this tokenizer's format needs it", remedy) from error
