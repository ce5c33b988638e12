import numpy as np
import pytest
import torch
from case_table import table

from scionwood import RecipeError
from scionwood_audio.data.made import NAMES, tone
from scionwood_audio.data.recordings import window_of
from scionwood_audio.data.tables import Clip
from scionwood_audio.evaluation import layers
from scionwood_audio.evaluation.layers import (
    Scores,
    advice,
    compare_layers,
    folds_of,
    head_score,
    layer_features,
    lora_score,
)
from scionwood_audio.model.whisper import Whisper
from scionwood_audio.verbs.score import LayersOptions

QUICK = LayersOptions(weights="random", window=0.5, folds=2, tuned_folds=0)


def clips(count=12, of_a_recording=1):
    waves = [tone(np.random.default_rng(k), k % 2, 0.5) for k in range(count)]
    return [Clip(wave, NAMES[k % 2], str(k // of_a_recording), "") for k, wave in enumerate(waves)]


def test_no_recording_is_on_both_sides_of_a_fold():
    made = clips(of_a_recording=2)
    for train, test in folds_of(made, 3, seed=0):
        assert not {made[k].group for k in train} & {made[k].group for k in test}


def test_too_few_recordings_are_refused_by_class():
    with pytest.raises(RecipeError, match=r"'falling'.*it has 3 recordings"):
        folds_of(clips(6), 5, seed=0)


def test_every_layer_is_measured_beside_the_mel_statistics():
    report = compare_layers(clips(), QUICK)
    assert [s.name for s in report.rows] == ["mel statistics", *(f"layer {n}" for n in range(5))]


def test_lora_starts_from_the_fitted_head(monkeypatch):
    monkeypatch.setattr(layers, "STEPS", 0)
    made, split = [window_of(clip, 8000) for clip in clips()], (np.arange(8), np.arange(8, 12))
    label = torch.arange(12) % 2
    features = layer_features(Whisper(window=0.5), made)["layer 1"]
    whisper = Whisper(window=0.5, read_layer=1, outputs=2)
    untuned = lora_score(whisper, made, NAMES[:2], split)
    assert untuned == head_score(features, label, split)


def rows(mel, best):
    return [Scores("mel statistics", mel), Scores("layer 1", best)]


@table(
    "what, scores, tuned, method",
    [
        ("chance", rows([0.5, 0.5], [0.5, 0.6]), [], "nothing"),
        ("mel is as good", rows([0.8, 0.9], [0.85, 0.9]), [], "mel statistics"),
        ("not tried", rows([0.5, 0.5], [0.8, 0.8]), [], "head at"),
        ("LoRA gains", rows([0.5, 0.5], [0.7, 0.72]), [0.9, 0.9], "LoRA read"),
        ("within the spread", rows([0.5, 0.5], [0.6, 0.8]), [0.7, 0.85], "head at"),
        ("LoRA loses", rows([0.5, 0.5], [0.8, 0.8]), [0.7, 0.7], "head at"),
    ],
)
def test_the_advice_follows_from_the_measurement(what, scores, tuned, method):
    assert advice(scores, tuned, 0.5)[0].startswith(method)
