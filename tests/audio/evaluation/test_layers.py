from __future__ import annotations

import numpy as np
import pytest
import torch
from case_table import table

from scionwood import RecipeError
from scionwood_audio.data.made import tone
from scionwood_audio.evaluation.layers import (
    Scores,
    Sounds,
    advice,
    balanced,
    compare_layers,
    folds_of,
    lora_score,
)
from scionwood_audio.model.clip_classifier import ClipClassifier


def sounds(count=12, kinds=2):
    waves = [tone(np.random.default_rng(k), k % kinds, 0.5) for k in range(count)]
    label = torch.arange(count) % kinds
    samples = torch.from_numpy(np.stack(waves))
    names = ["rising", "falling", "steady", "trembling"][:kinds]
    length = torch.full((count,), samples.shape[1])
    return Sounds(samples, length, label, [str(k) for k in range(count)], names)


def test_balanced_accuracy_counts_every_class_alike():
    assert balanced(torch.tensor([0, 0, 0, 0]), torch.tensor([0, 0, 0, 1])) == 0.5


def test_no_recording_is_on_both_sides_of_a_fold():
    made = sounds()
    made.recording[:] = [str(k // 2) for k in range(12)]
    for train, test in folds_of(made, 3, seed=0):
        assert not {made.recording[k] for k in train} & {made.recording[k] for k in test}


def test_too_few_recordings_are_refused_by_class():
    with pytest.raises(RecipeError, match=r"'rising'.*it has 3 recordings"):
        folds_of(sounds(6), 5, seed=0)


def test_every_layer_is_measured_beside_the_mel_statistics():
    report = compare_layers(sounds(), weights="random", window=0.5, folds=2, tuned_folds=0)
    assert [s.name for s in report.rows] == ["mel statistics", *(f"layer {n}" for n in range(5))]
    assert report.rows[1 + report.layer].mean == max(s.mean for s in report.rows[1:])


def test_lora_starts_from_the_fitted_head_and_leaves_the_network_as_it_was():
    bare = ClipClassifier(classes=["rising", "falling"], window=0.5, read_layer=1).eval()
    before = {name: value.clone() for name, value in bare.state_dict().items()}
    split = (np.arange(8), np.arange(8, 12))
    frozen, tuned = lora_score(bare, sounds(), split, steps=0)
    assert frozen == tuned
    assert all(torch.equal(value, before[name]) for name, value in bare.state_dict().items())


def rows(mel, best):
    return [Scores("mel statistics", mel), Scores("layer 0", best)]


@table(
    "what, scores, tuned, method",
    [
        ("chance", rows([0.5, 0.5], [0.5, 0.6]), [], "nothing"),
        ("mel is as good", rows([0.8, 0.9], [0.85, 0.9]), [], "mel statistics"),
        ("LoRA gains", rows([0.5, 0.5], [0.8, 0.8]), [[0.7, 0.72], [0.9, 0.9]], "LoRA read"),
        ("within the spread", rows([0.5, 0.5], [0.8, 0.8]), [[0.6, 0.8], [0.7, 0.85]], "head at"),
        ("LoRA loses", rows([0.5, 0.5], [0.8, 0.8]), [[0.8, 0.8], [0.7, 0.7]], "head at"),
    ],
)
def test_the_advice_follows_from_the_measurement(what, scores, tuned, method):
    pair = [Scores(str(k), values) for k, values in enumerate(tuned)]
    assert advice(scores, 0, pair, 0.5)[0].startswith(method)
