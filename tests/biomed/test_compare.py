import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from scionwood import OutputExistsError, RecipeError
from scionwood.cli import main
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.data.images import Images
from scionwood_biomed.data.phantoms import CLASSES, Phantoms, phantom, phantom_items
from scionwood_biomed.evaluation.audit import audit
from scionwood_biomed.evaluation.compare import Plan, evaluate, print_summary, write
from scionwood_biomed.evaluation.methods import METHODS
from scionwood_biomed.evaluation.metrics import calibration_error, reliability
from scionwood_biomed.tasks.anchors import confidence, prototypes, read_prompts

AGAIN = ("linear_probe", "lora")


@pytest.fixture(scope="module")
def rows():
    """Rows of every method with one shot and two steps; of two also a second seed."""
    data = Phantoms(subjects=24, images=1)
    return [
        *evaluate(Plan(shots=(1,), seeds=(0,), steps=2), data, ClipBackbone),
        *evaluate(Plan(AGAIN, shots=(1,), seeds=(1,), steps=2), data, ClipBackbone),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two slices per subject of 24 subjects as PNG files, `class/subject-slice.png`."""
    root = tmp_path_factory.mktemp("slices")
    for item in phantom_items(24, 2):
        path = root / item.label / f"{item.subject}-{item.path.name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((phantom(item, 0) * 255).astype(np.uint8)).save(path)
    return root


def test_measures_every_method_on_every_seed(rows, tmp_path, capsys):
    wanted = {(m, 0) for m in METHODS} | {(m, 1) for m in AGAIN}
    assert {(row["method"], row["seed"]) for row in rows} == wanted
    for row in rows:
        assert row["balanced_low"] <= row["balanced"] <= row["balanced_high"]
        assert min(row["accuracy"], row["auroc"], row["ece"]) >= 0
        assert (row["trainable"] == 0) == (row["method"] == "zero_shot")
    print_summary(rows)
    assert "over 2 seeds; splits by subject" in capsys.readouterr().out
    write(rows, tmp_path, overwrite=False)
    with (tmp_path / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert (tmp_path / "shots.png").stat().st_size > 1000
    with pytest.raises(OutputExistsError):
        write(rows, tmp_path, overwrite=False)


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(RecipeError, match="zero_shot"):
        Plan(methods=("coopp",))


def test_the_commands_compare_methods_and_audit_splits(folder, tmp_path, capsys):
    subject = ["--subject", r"(\d+)-", "--json"]
    options = ["--methods", '["zero_shot"]', "--shots", "[1]", "--seeds", "1"]
    assert main(["biomed", "evaluate", str(folder), str(tmp_path / "new"), *subject, *options]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert line["method"] == "zero_shot"
    assert (tmp_path / "new" / "results.csv").is_file()
    assert main(["biomed", "audit-splits", str(folder), *subject]) == 0
    assert json.loads(capsys.readouterr().out)["subjects"] == 24


def test_audit_shows_the_leakage_of_splits_by_image(folder):
    for path in sorted(folder.rglob("*-1.png")):  # the second slice becomes a copy of the first
        path.write_bytes(path.with_name(path.name.replace("-1", "-0")).read_bytes())
    result = audit(Images(source=folder, subject=r"(\d+)-", size=64), ClipBackbone())
    assert result["images"] == 48
    assert result["by_image"]["shared_subjects"] > 0
    assert result["by_image"]["duplicates"] > 0
    assert result["by_subject"]["shared_subjects"] == result["by_subject"]["duplicates"] == 0
    assert result["by_image"]["probe_accuracy"] > result["by_subject"]["probe_accuracy"] + 0.2


def test_calibration_error_is_the_weighted_mean_gap_of_the_bins():
    sure = torch.tensor([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.35, 0.65]])
    label = torch.tensor([0, 1, 0, 1])
    # bin 0.9: confidence 0.95, accuracy 0.5; bin 0.6: confidence 0.65, accuracy 1
    assert calibration_error(sure, label) == pytest.approx(0.5 * 0.45 + 0.5 * 0.35)
    assert reliability(sure, label).images.tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 0, 2]


def test_confidence_is_one_for_a_certain_prediction_and_zero_for_a_uniform_one():
    confidences = confidence(torch.tensor([[100.0, 0, 0], [1.0, 1, 1]]))
    assert confidences.tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_prototypes_are_class_means_and_missing_classes_are_marked():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    means, known = prototypes(features, torch.tensor([0, 1, 1]), 3)
    assert means.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert known.tolist() == [True, True, False]


def test_expert_prompts_are_equal_from_json_and_csv(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"cyst": ["a round one", "a dark one"]}))
    (tmp_path / "a.csv").write_text("class,prompt\ncyst,a round one\ncyst,a dark one\n")
    assert read_prompts(tmp_path / "a.json") == read_prompts(tmp_path / "a.csv")


def test_base_and_novel_have_different_classes():
    base, novel = (Phantoms(classes=side).names() for side in ("base", "novel"))
    assert sorted(base + novel) == list(CLASSES)
