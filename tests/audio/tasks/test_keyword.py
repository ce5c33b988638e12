"""The task of words: three scores, their heads, and the comparison with the untrained decoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from scionwood import RecipeError
from scionwood_audio.data.words import Words
from scionwood_audio.model.matcher import WordMatcher
from scionwood_audio.model.spelling import codes
from scionwood_audio.model.whisper import Whisper, WhisperText
from scionwood_audio.tasks.keyword import Keyword

BACKBONES: dict[str, Any] = {
    "likelihood": lambda: WhisperText(window=1.0),
    "ctc": lambda: Whisper(window=1.0, outputs=28),
    "matcher": lambda: WordMatcher(window=1.0),
}


@pytest.fixture(scope="module")
def batch() -> dict[str, torch.Tensor]:
    return dict(next(iter(Words(window=1.0, clips=3).loader("val"))))


@pytest.mark.parametrize("score", BACKBONES)
def test_a_clip_has_the_same_score_alone_and_among_others(score, batch):
    task = Keyword(BACKBONES[score](), score=score, compare=False).eval()
    together = task.trial_scores(batch)
    alone = task.trial_scores({key: values[1:2] for key, values in batch.items()})
    assert together.shape == (3, 5)
    assert torch.allclose(together[1], alone[0], atol=1e-4)  # rounding; here 1e-6


@pytest.mark.parametrize("score", BACKBONES)
def test_longer_texts_beside_it_change_no_score(score, batch):
    task = Keyword(BACKBONES[score](), score=score, compare=False).eval()
    sound, frames = batch["sound"][:1], batch["frames"][:1]
    short = task.scores(sound, frames, codes(["una"])[None])
    among = task.scores(sound, frames, codes(["una", "una rana verde"])[None])
    assert torch.allclose(short[0, 0], among[0, 0], atol=1e-4)


@pytest.mark.parametrize("score", ["ctc", pytest.param("matcher", marks=pytest.mark.slow)])
def test_a_head_is_fitted_to_frozen_features(score):
    network = BACKBONES[score]()
    task = Keyword(network, score=score, head_steps=30, compare=False)
    batches = list(Words(window=1.0, shots=8, batch_size=4).loader("train"))
    before = {name: p.clone() for name, p in network.named_parameters()}
    first = float(task.eval().losses(batches[0])["loss"].detach())
    task.fit_head(batches)
    moved = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert moved
    assert all(name.startswith(("classifier", "matcher")) for name in moved)
    assert float(task.eval().losses(batches[0])["loss"].detach()) < first


def test_a_run_without_training_equals_zero_shot(batch):
    task = Keyword(WhisperText(window=1.0)).eval()
    measured = task.metrics(batch)
    assert measured["zero_shot"] == measured["hard"]
    assert {"easy", "easy_eer", "hard_eer", "threshold"} <= measured.keys()


@pytest.mark.parametrize(("score", "other"), [("ctc", "likelihood"), ("matcher", "ctc")])
def test_a_score_names_the_backbone_that_it_needs(score, other):
    with pytest.raises(RecipeError, match="backbone"):
        Keyword(BACKBONES[other](), score=score)


def test_the_head_of_ctc_has_an_output_for_each_letter():
    with pytest.raises(RecipeError, match="28"):
        Keyword(Whisper(window=1.0, outputs=3), score="ctc")
