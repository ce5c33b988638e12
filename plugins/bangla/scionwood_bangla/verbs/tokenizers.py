"""Measure tokenizers on Bangla words: `scionwood bangla tokenizers`."""

from __future__ import annotations

from dataclasses import asdict

from scionwood import RecipeError
from scionwood.authoring import InputPath, print_table
from scionwood_bangla.verbs.shared import print_json


def tokenizers(
    files: list[str], *, text: InputPath | None = None, window: int = 2048, json: bool = False
) -> None:
    """Print how many tokens a tokenizer needs for a Bangla word, and how many words fit a window.

    The words come from a text. Without a text they come from wordfreq, weighted by frequency.

    Args:
        files: each is a tokenizer.json or its folder, a tekken JSON, a SentencePiece .model or a
            .tiktoken file. DISTRIBUTION:FILE names a file of an installed package, such as
            mistral-common:tekken_240911.json.
        text: a Bangla text, UTF-8, whose words are counted. Without it, the words come from
            wordfreq.
        window: the context length of the model, tokens.
        json: print JSON.

    Raises:
        ReadError: a file is not a tokenizer, or the text is not Bangla.
        PluginError: the library for a format is missing, or wordfreq is missing and no text is
            given.
        RecipeError: the window is not positive.
    """
    from scionwood_bangla.evaluation.fertility import (
        locate,
        measure,
        words_of_text,
        words_of_wordfreq,
    )
    from scionwood_bangla.text.reading import read_text

    if window < 1:
        raise RecipeError(f"window {window}", "it must be at least 1", "Give the context length")
    words = words_of_wordfreq() if text is None else words_of_text(read_text(text))
    results = [measure(locate(file), words, window) for file in files]
    if json:
        print_json([asdict(result) | {"warning": result.warning} for result in results])
        return
    columns = ["tokenizer", "vocabulary", "tokens per word", f"words in {window} tokens"]
    print_table(
        columns,
        [[r.name, r.vocabulary, f"{r.tokens_per_word:.2f}", r.words_per_window] for r in results],
        numeric=columns[1:],
    )
    for result in results:
        if result.warning:
            print(f"warning: {result.name}: {result.warning}")
