"""An exported classifier holds the classes of its run, with the anchors that the adapter keeps."""

from __future__ import annotations

import json

import pytest
import torch

from scionwood.authoring import ExportError
from scionwood_biomed.inference import Classifier
from scionwood_export import export_run


def test_what_is_exported_gives_the_probabilities_of_the_run(run, images):
    classifier = Classifier(run[0])
    deployed = classifier.task.deploy(run[0])
    assert deployed.normalisation.numbers["classes"] == classifier.classes
    with torch.no_grad():
        expected = classifier.task.predict({"image": images, "classes": classifier.classes})
        torch.testing.assert_close(deployed.module(images), expected)


@pytest.mark.slow
def test_the_file_gives_the_probabilities_of_the_run(run, images, tmp_path):
    folder, _ = run
    verified = export_run(folder, tmp_path / "classes.pt2")
    assert verified.reached <= 1e-5
    assert "dual anchors add tokens" in verified.unmerged
    card = json.loads((tmp_path / "classes.pt2.json").read_text())
    classifier = Classifier(folder)
    assert card["normalisation"]["numbers"]["classes"] == classifier.classes
    model = torch.export.load(tmp_path / "classes.pt2").module()
    with torch.no_grad():
        expected = classifier.task.predict({"image": images, "classes": classifier.classes})
        assert torch.allclose(model(images), expected, atol=1e-5)


def test_an_adapter_that_cannot_be_merged_has_no_merged_weights(run, tmp_path):
    with pytest.raises(ExportError, match=r"cannot be merged .* Use --format pt2"):
        export_run(run[0], tmp_path / "classes.safetensors", format="merged")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_onnx_equals_the_run(run, tmp_path):
    pytest.importorskip("onnxscript")
    assert export_run(run[0], tmp_path / "classes.onnx", format="onnx").reached <= 1e-4
