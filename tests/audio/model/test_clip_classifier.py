from __future__ import annotations

import pytest
import torch
from case_table import table

from scionwood import RecipeError
from scionwood_audio.model.clip_classifier import Answer, ClipClassifier, pooled


def test_padding_changes_nothing_of_what_is_pooled():
    states = torch.randn(2, 10, 6, generator=torch.Generator().manual_seed(0))
    length = torch.tensor([4 * 320, 10 * 320])
    padded = states.clone()
    padded[0, 4:] = 99
    assert torch.equal(pooled(padded, length), pooled(states, length))


def test_what_is_pooled_is_mean_and_standard_deviation():
    states = torch.randn(1, 10, 6, generator=torch.Generator().manual_seed(0))
    expected = torch.cat([states.mean(1), states.std(1, correction=0)], 1)
    torch.testing.assert_close(pooled(states, torch.tensor([3200])), expected)


@table("what, classes", [("two classes", 2), ("three classes", 3)])
def test_a_fitted_head_answers_as_the_logistic_regression_of_sklearn(what, classes):
    from sklearn.linear_model import LogisticRegression

    draw = torch.Generator().manual_seed(0)
    label = torch.arange(30) % classes
    features = torch.randn(30, 5, generator=draw) + label[:, None]
    answer = Answer(5, classes)
    answer.fit(features, label)
    x = ((features - features.mean(0)) / features.std(0)).numpy().astype("float64")
    reference = LogisticRegression(C=0.05, max_iter=1000).fit(x, label.numpy()).predict_proba(x)
    mine = answer(features).softmax(1).detach().numpy()
    assert abs(mine - reference).max() < 1e-3


def test_classes_that_repeat_are_refused():
    with pytest.raises(RecipeError, match="each once"):
        ClipClassifier(classes=["owl", "owl"])
