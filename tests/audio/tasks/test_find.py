"""The task: the head starts from a regression, and unknown positions have no part."""

from __future__ import annotations

import lightning as L
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader

import scionwood
from scionwood_audio.evaluation.trials import average_precision
from scionwood_audio.model.heads import STRENGTH, fit_head
from scionwood_audio.model.whisper import Whisper
from scionwood_audio.tasks.find import Find


@pytest.fixture(scope="module")
def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    samples = 0.01 * torch.randn(4, 8000, generator=generator)
    target = torch.zeros(4, 25)
    time = torch.arange(4000) / 16000
    samples[:, 4000:] += 0.3 * torch.sin(2 * torch.pi * 3000 * time)
    target[:, 13:] = 1.0
    return {"samples": samples, "target": target}


def test_unknown_positions_have_no_part_in_the_loss(batch):
    task = Find(Whisper(window=0.5, outputs=1))
    unknown = batch["target"].clone()
    unknown[:, :13] = -1.0
    loss = task.losses({**batch, "target": unknown})["loss"].item()
    logits = task.backbone(batch["samples"]).squeeze(-1)[:, 13:]
    assert loss == pytest.approx(torch.nn.functional.softplus(-logits).mean().item(), rel=1e-5)


def test_a_split_without_background_is_refused(batch):
    task = Find(Whisper(window=0.5, outputs=1))
    with pytest.raises(scionwood.TrainingError, match="positions without"):
        task.fit_to([{**batch, "target": torch.ones(4, 25)}])


def test_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, target = rng.normal(size=300), rng.random(300) < 0.3
    found = average_precision(torch.from_numpy(scores), torch.from_numpy(target).float())
    assert float(found) == pytest.approx(average_precision_score(target, scores))
    for tied in (np.zeros(300), scores.round()):
        found = average_precision(torch.from_numpy(tied), torch.from_numpy(target).float())
        assert float(found) == pytest.approx(average_precision_score(target, tied))


def test_the_head_is_that_of_scikit_learn_with_its_scaler():
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(400, 3)) * [1, 100, 0.01] + [5, -30, 2]).astype(np.float32)
    target = (features[:, 1] + 40 * rng.normal(size=400) > -30).astype(np.float32)
    weight, bias = fit_head(features, target)
    peer = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, tol=1e-8))
    odds = peer.fit(features, target).decision_function(features)
    np.testing.assert_allclose(features @ weight + bias, odds, atol=1e-3 * np.abs(odds).max())


@pytest.mark.filterwarnings("ignore")  # Lightning warns of itself
def test_the_precision_of_a_validation_is_that_of_the_split_however_it_is_cut(batch):
    task = Find(Whisper(window=0.5, outputs=1))
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)

    def measured(parts):
        (values,) = trainer.validate(task, DataLoader(parts, batch_size=None), verbose=False)
        return values["val_ap"]

    silent = {**batch, "target": torch.zeros(4, 25)}
    whole = {key: torch.cat([batch[key], silent[key]]) for key in batch}
    assert measured([batch, silent]) == pytest.approx(measured([whole]), rel=1e-5)
    assert measured([batch, silent]) < measured([batch])
    assert np.isnan(measured([silent]))
