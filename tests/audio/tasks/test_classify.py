from __future__ import annotations

import pytest
import torch

from scionwood import RecipeError, fit, resolve
from scionwood_audio.backbones import ClipClassifier
from scionwood_audio.data.recordings import Recordings
from scionwood_audio.tasks.classify import Classify


def test_the_first_row_of_the_metrics_is_the_fitted_head(tmp_path):
    run = tmp_path / "run"
    fit(resolve("audio/classify", [], smoke=True), run_dir=run)
    head, first, *_ = (run / "metrics.csv").read_text().splitlines()
    row = dict(zip(head.split(","), first.split(","), strict=True))
    assert row["step"] == "0"
    assert float(row["val_accuracy"]) >= 0


def test_the_fitted_head_knows_its_training_clips():
    data = Recordings(n=32, window=0.5)
    task = Classify(ClipClassifier(window=0.5)).eval()
    task.fit_to(data.loader("train"))
    batch = next(iter(data.loader("train")))
    with torch.no_grad():
        assert float(task.metrics(batch)["accuracy"]) > 0.8


def test_a_class_without_a_recording_is_refused():
    task = Classify(ClipClassifier(classes=["rising", "falling", "steady", "trembling", "x"]))
    batch = next(iter(Recordings(n=32).loader("train")))
    with pytest.raises(RecipeError, match="class 'x'"):
        task.fit_to([batch])


def test_a_label_that_the_backbone_does_not_name_is_refused():
    task = Classify(ClipClassifier(classes=["rising", "falling"], window=0.5))
    with pytest.raises(RecipeError, match="the backbone names rising, falling"):
        task.losses(next(iter(Recordings(n=32, window=0.5).loader("train"))))
