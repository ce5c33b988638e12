import pytest
import torch
from case_table import table

from scionwood import RecipeError, WeightsError
from scionwood_audio.backbones import AudioVisual


def test_a_clip_says_the_same_alone_and_in_a_batch():
    towers = AudioVisual(side=28, seconds=2).eval()
    samples, pictures = towers.example_input()
    with torch.no_grad():
        both, alone = towers(samples, pictures), towers(samples[:1], pictures[:1])
    torch.testing.assert_close(both[:1], alone, atol=1e-5, rtol=0)


def test_a_second_of_pictures_changes_the_answer_of_that_second_alone():
    towers = AudioVisual(side=28, seconds=3).eval()
    samples, pictures = towers.example_input()
    changed = pictures.clone()
    changed[:, 1] = 0
    with torch.no_grad():
        difference = (towers(samples, pictures) - towers(samples, changed)).abs().amax((0, 2))
    assert difference[1] > 1e-4
    assert float(difference[[0, 2]].max()) < 1e-5


@table(
    "what, options, error, rule",
    [
        ("a name twice", {"names": ["owl", "owl"]}, RecipeError, "each once"),
        ("no patches", {"side": 30}, RecipeError, "multiple of 14"),
        ("no folder", {"vision": "/nowhere"}, WeightsError, "no DINOv2"),
    ],
)
def test_impossible_options_are_refused(what, options, error, rule):
    with pytest.raises(error, match=rule):
        AudioVisual(**{"side": 28, "seconds": 1, **options})
