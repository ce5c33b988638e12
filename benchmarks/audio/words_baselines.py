"""The simplest opponents of words.py: a transcript with edit distance, one take with warping."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from runner import Row
from scipy.fft import dct

from scionwood_audio.data.tables import Clip
from scionwood_audio.data.words import Words
from scionwood_audio.evaluation.trials import of_trials, rates
from scionwood_audio.inference.enrolment import frozen, warp
from scionwood_audio.model.mel import FRAME, LogMel
from scionwood_audio.model.spelling import texts_of, token_rows
from scionwood_audio.model.weights import load_tokenizer
from scionwood_audio.model.whisper import Whisper, WhisperText

LONGEST = 16
"""Tokens of the longest transcript."""

NEGATIVES = 4
"""Random texts, and texts of nearest spelling, for each text with two takes."""


def transcript(words: Words, batch: dict[str, torch.Tensor], weights: str) -> Row:
    """Return the rates of the edit similarity of Whisper's greedy transcript."""
    network = WhisperText(weights=weights).eval()
    tokenizer: Any = load_tokenizer(weights)
    start = token_rows(["a"], weights)[0][0, :2]
    said = []
    with torch.no_grad():
        for part in batch["sound"].split(16):
            hidden = network.hidden(part)[-1]
            tokens = start.expand(len(part), -1)
            for _ in range(LONGEST):
                following = network.decode(hidden, tokens)[:, -1].argmax(-1, keepdim=True)
                tokens = torch.cat([tokens, following], 1)
            end = tokenizer.token_to_id("<|endoftext|>")
            said += [_text(tokenizer, row, end) for row in tokens.tolist()]
    letters = torch.cat([batch["letters"][:, None], batch["others"]], 1)
    asked = [texts_of(row) for row in letters]
    scores = [
        [difflib.SequenceMatcher(None, text, other).ratio() for other in others]
        for text, others in zip(said, asked, strict=True)
    ]
    measured = of_trials(torch.tensor(scores))
    return {name: round(float(value), 3) for name, value in measured.items()}


def _text(tokenizer: Any, row: list[int], end: int) -> str:
    tokens = row[2:]
    tokens = tokens[: tokens.index(end)] if end in tokens else tokens
    text = tokenizer.decode(tokens).lower()
    return " ".join("".join(c for c in text if c.isalpha() or c == " ").split())


def with_one_take(features: Callable[[Clip], np.ndarray], words: Words) -> Row:
    """Return the rates of warping with one take, for the texts that have two different ones.

    Args:
        features: of a clip, (position, width), of unit length at each position.
        words: the clips.
    """
    drawn = random.Random(3 + words.seed)  # the texts with two takes are the same in every seed
    takes: dict[str, list[Clip]] = {}
    for clip in words._clips():
        takes.setdefault(clip.text, []).append(clip)
    texts = sorted(takes)
    seen: dict[str, np.ndarray] = {}

    def score(one: Clip, other: Clip) -> float:
        for clip in (one, other):
            if clip.name not in seen:
                seen[clip.name] = features(clip)
        return -warp(seen[one.name], seen[other.name])

    same, easy, hard = [], [], []
    for text in [text for text in texts if len(takes[text]) > 1]:
        first, second = takes[text][:2]
        others = [other for other in texts if other != text]
        near = difflib.get_close_matches(text, others, n=NEGATIVES, cutoff=0.0)
        same.append(score(first, second))
        easy += [score(first, takes[drawn.choice(others)][0]) for _ in range(NEGATIVES)]
        hard += [score(first, takes[other][0]) for other in near]
    found = [rates(np.array(same), np.array(other)) for other in (easy, hard)]
    row = dict(zip(("easy", "hard"), [round(100 * f.auc, 3) for f in found], strict=True))
    row |= dict(zip(("easy_eer", "hard_eer"), [round(100 * f.eer, 3) for f in found], strict=True))
    return {**row, "test_clips": len(same)}


def mfcc(clip: Clip) -> np.ndarray:
    """Return 13 cepstral coefficients every 20 ms, standardised in the clip."""
    sound = torch.from_numpy(np.pad(clip.sound, (0, -len(clip.sound) % FRAME)))
    bands = LogMel()(sound[None])[0].numpy()
    values = dct(bands, axis=0, norm="ortho")[1:14].T[::2]
    values = (values - values.mean(0)) / (values.std(0) + 1e-5)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))


def take_of_mfcc(words: Words, batch: dict[str, torch.Tensor], weights: str) -> Row:
    """Return the rates of MFCC with warping."""
    return with_one_take(mfcc, words)


def take_of_layer(words: Words, batch: dict[str, torch.Tensor], weights: str) -> Row:
    """Return the rates of frozen layer 2 with warping, as `audio enrol` does it."""
    tower = Whisper(weights=weights, read_layer=2).eval()
    return with_one_take(lambda clip: frozen(tower, clip.sound), words)


ARMS: dict[str, Callable[[Words, dict[str, torch.Tensor], str], Row]] = {
    "transcript and edit distance": transcript,
    "MFCC and warping, one take": take_of_mfcc,
    "layer 2 and warping, one take": take_of_layer,
}
