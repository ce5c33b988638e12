"""The matcher of DMA-KWS without the published defects: padding and batch change no score."""

from __future__ import annotations

import pytest
import torch

from scionwood_audio.model.matcher import Matcher, WordMatcher
from scionwood_audio.model.spelling import codes


@pytest.fixture
def matcher() -> Matcher:
    torch.manual_seed(0)
    return Matcher(16, size=32).eval()


@torch.no_grad()
def test_padding_and_batch_change_no_score(matcher):
    sound, frames = torch.randn(3, 40, 16), torch.tensor([12, 40, 25])
    text = codes(["una", "una rana verde", "sol"])
    whole, letters = matcher(text, sound, frames)
    for row, word in enumerate(("una", "una rana verde", "sol")):
        heard = sound[row : row + 1, : frames[row]]
        one, parts = matcher(codes([word]), heard, frames[row : row + 1])
        assert (whole[row] - one[0]).abs() < 1e-5  # rounding; here 1e-7
        assert torch.allclose(letters[row, : len(word)], parts[0], atol=1e-5)


@torch.no_grad()
def test_what_stands_in_the_padding_is_not_seen(matcher):
    sound, frames = torch.randn(2, 40, 16), torch.tensor([12, 30])
    other = sound.clone()
    other[0, 12:], other[1, 30:] = 1e3, -1e3
    text = codes(["una", "rana"])
    assert torch.equal(matcher(text, sound, frames)[0], matcher(text, other, frames)[0])


def test_the_tower_is_frozen_beside_its_head() -> None:
    network = WordMatcher(window=1.0)
    assert network(*network.example_input()).shape == (2, 4)
    assert network.head == ("matcher",)
