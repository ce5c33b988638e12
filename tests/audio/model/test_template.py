"""Templates: equal to the correlation of each placement, and loudness does not count."""

import numpy as np
import torch

from scionwood_audio.data.made import made_calls
from scionwood_audio.model.template import Templates


def test_the_place_of_the_call_has_the_best_score():
    call = made_calls(np.random.default_rng(0), 1)[0]
    samples = 0.01 * np.random.default_rng(1).standard_normal(6 * 16000).astype(np.float32)
    samples[32000 : 32000 + len(call)] += 0.3 * call
    scores = Templates([call])(torch.from_numpy(samples)[None])[0].numpy()
    inside = slice(32000 // 320, (32000 + len(call)) // 320)
    assert len(scores) == 300
    assert scores[inside].min() > 0.6
    assert scores[: 80 - len(call) // 320].max() < 0.5


def test_scores_equal_the_correlation_that_numpy_computes():
    rng = np.random.default_rng(2)
    call, samples = (rng.standard_normal(n).astype(np.float32) for n in (3200, 16000))
    templates = Templates([call])
    mel = templates.mel(torch.from_numpy(samples)[None])[0].numpy()
    template = templates.templates[0].numpy()
    length = template.shape[1]
    at = [np.corrcoef(mel[:, k : k + length].ravel(), template.ravel())[0, 1] for k in range(81)]
    expected = [max(at[max(0, k - length + 1) : k + 1]) for k in range(0, 100, 2)]
    assert np.allclose(templates(torch.from_numpy(samples)[None])[0].numpy(), expected, atol=1e-4)


def test_a_template_longer_than_the_recording_finds_nothing():
    call = np.ones(32000, np.float32)
    assert float(Templates([call])(torch.zeros(1, 16000)).max()) == -1.0
