import torch
from case_table import table
from torch.nn import functional as F

from scionwood_audio.model.heads import fit_clip_head, pooled


def test_padding_changes_nothing_of_what_is_pooled():
    states = torch.randn(2, 10, 6, generator=torch.Generator().manual_seed(0))
    length = torch.tensor([4 * 320, 10 * 320])
    padded = states.clone()
    padded[0, 4:] = 99
    assert torch.equal(pooled(padded, length), pooled(states, length))
    torch.testing.assert_close(pooled(states, length)[0], states[0, :4].mean(0))


@table("what, classes", [("two classes", 2), ("three classes", 3)])
def test_a_fitted_head_answers_as_the_logistic_regression_of_sklearn(what, classes):
    from sklearn.linear_model import LogisticRegression

    draw = torch.Generator().manual_seed(0)
    label = torch.arange(30) % classes
    features = 5 + 3 * torch.randn(30, 5, generator=draw) + label[:, None]
    x = ((features - features.mean(0)) / features.std(0)).numpy().astype("float64")
    reference = LogisticRegression(C=0.05, max_iter=1000).fit(x, label.numpy()).predict_proba(x)
    mine = F.linear(features, *fit_clip_head(features, label)).softmax(1).numpy()
    assert abs(mine - reference).max() < 1e-3
