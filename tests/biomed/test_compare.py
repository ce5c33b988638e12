from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from case_table import table
from PIL import Image

from scionwood import OutputExistsError, RecipeError
from scionwood.cli import main
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.data.images import Images
from scionwood_biomed.data.phantoms import CLASSES, Phantoms, phantom, phantom_items
from scionwood_biomed.evaluation.audit import audit
from scionwood_biomed.evaluation.compare import Plan, evaluate, print_summary, summary, write
from scionwood_biomed.evaluation.gallery import Gallery
from scionwood_biomed.evaluation.linear_probe import linear_probe
from scionwood_biomed.evaluation.methods import METHODS
from scionwood_biomed.evaluation.metrics import calibration_error, reliability
from scionwood_biomed.evaluation.settings import Settings
from scionwood_biomed.tasks.anchors import confidence, prototypes, read_prompts
from scionwood_biomed.tasks.wording import UNSEEN, WORDINGS, with_wording


@pytest.fixture(scope="module")
def gallery():
    return Gallery(1)


@pytest.fixture(scope="module")
def rows(gallery):
    """The rows of every method, base to novel, with one shot, two steps and two seeds."""
    plan = Plan(shots=(1,), seeds=(0, 1), settings=Settings(steps=2), novel=True)
    return evaluate(plan, Phantoms(subjects=24, images=1), ClipBackbone, gallery=gallery)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two slices per subject of 24 subjects as PNG files, `class/subject-slice.png`."""
    root = tmp_path_factory.mktemp("slices")
    for item in phantom_items(24, 2):
        path = root / item.label / f"{item.subject}-{item.path.name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((phantom(item, 0) * 255).astype(np.uint8)).save(path)
    return root


def test_measures_every_method_on_every_seed(rows):
    assert {(row["method"], row["seed"]) for row in rows} == {
        (m, s) for m in METHODS for s in (0, 1)
    }
    for row in rows:
        assert 0 <= row["wording_worst"] <= row["wording_mean"] <= 1
        assert 0 <= row["ece"] <= 1


def test_harmonic_mean_is_computed_for_each_seed(rows, capsys):
    for row in rows:
        base, novel = row["accuracy"], row["novel"]
        assert row["harmonic"] == pytest.approx(2 * base * novel / max(base + novel, 1e-12))
    print_summary(rows)
    assert "taken for each seed, then averaged" in capsys.readouterr().out


def test_summary_has_mean_and_standard_deviation_over_seeds(rows):
    line = next(line for line in summary(rows) if line["method"] == "lora")
    values = [row["accuracy"] for row in rows if row["method"] == "lora"]
    assert line["accuracy"] == pytest.approx(np.mean(values))
    assert line["accuracy_std"] == pytest.approx(np.std(values))


def test_linear_probe_does_not_depend_on_the_wording(rows):
    for row in rows:
        if row["method"] == "linear_probe":
            assert row["wording_worst"] == row["wording_mean"] == row["accuracy"]


def test_mean_and_worst_accuracy_are_over_unseen_wordings(rows):
    for row in rows:
        values = [row[f"wording_{family}"] for family in UNSEEN]
        assert row["wording_worst"] == min(values)
        assert row["wording_mean"] == pytest.approx(np.mean(values))
        assert row["wording_spread"] == pytest.approx(np.std(values))


def test_figures_show_shots_wordings_reliability_and_attention(rows, gallery, tmp_path):
    assert set(gallery.answers) == set(METHODS)
    assert set(gallery.draw(rows)) == {"shots", "wordings", "reliability", "attention"}
    write(rows, tmp_path, overwrite=False, gallery=gallery)
    for name in ("shots", "wordings", "reliability", "attention"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


def test_refuses_to_overwrite_results(rows, tmp_path):
    write(rows, tmp_path, overwrite=False)
    with (tmp_path / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert (tmp_path / "shots.png").stat().st_size > 1000
    with pytest.raises(OutputExistsError):
        write(rows, tmp_path, overwrite=False)


def test_refuses_base_to_novel_with_one_novel_class(folder):
    data = Images(source=folder, subject=r"(\d+)-", size=64)
    three = [item for item in data.items() if item.label != CLASSES[0]]
    data._items = three
    with pytest.raises(RecipeError, match="4 classes or more"):
        evaluate(Plan(methods=("zero_shot",), novel=True), data, ClipBackbone)


def test_refuses_an_unknown_method():
    with pytest.raises(RecipeError, match="zero_shot"):
        Plan(methods=("coopp",))


def test_evaluate_command_compares_methods(folder, tmp_path, capsys):
    paths = [str(folder), str(tmp_path / "new")]
    options = ["--subject", r"(\d+)-", "--methods", '["zero_shot"]', "--shots", "[1]"]
    options += ["--seeds", "1"]
    assert main(["biomed", "evaluate", *paths, *options, "--json"]) == 0
    captured = capsys.readouterr()
    (line,) = json.loads(captured.out)
    assert line["method"] == "zero_shot"
    assert (tmp_path / "new" / "results.csv").is_file()


def test_audit_shows_the_leakage_of_splits_by_image(folder):
    for path in sorted(folder.rglob("*-1.png")):  # the second slice becomes a copy of the first
        path.write_bytes(path.with_name(path.name.replace("-1", "-0")).read_bytes())
    result = audit(Images(source=folder, subject=r"(\d+)-", size=64), ClipBackbone())
    assert result["images"] == 48
    assert result["by_image"]["shared_subjects"] > 0
    assert result["by_image"]["duplicates"] > 0
    assert result["by_subject"]["shared_subjects"] == result["by_subject"]["duplicates"] == 0
    assert result["by_image"]["probe_accuracy"] > result["by_subject"]["probe_accuracy"] + 0.2


def test_audit_splits_command_prints_json(folder, capsys):
    arguments = [str(folder), "--subject", r"(\d+)-", "--json"]
    assert main(["biomed", "audit-splits", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["subjects"] == 24


def test_run_classifies_a_picture_and_abstains_below_the_confidence(folder, tmp_path, capsys):
    run = tmp_path / "run"
    small = ["--smoke", "--trainer.max_steps", "1", "--trainer.accelerator", "cpu"]
    assert main(["fit", "biomed/few_shot", "--run", str(run), *small]) == 0
    picture = next(folder.rglob("*.png"))
    capsys.readouterr()
    assert main(["biomed", "classify", str(picture), "--run", str(run), "--confidence", "0"]) == 0
    output = capsys.readouterr().out
    assert all(name in output for name in CLASSES)
    assert "Research use only" in output
    assert main(["biomed", "classify", str(picture), "--run", str(run), "--confidence", "1"]) == 0
    assert "no answer" in capsys.readouterr().out


def test_strongly_regularised_probe_stays_at_its_start():
    start = torch.eye(3)
    features = torch.tensor([[0.0, 1.0, 0.0]])
    fixed = linear_probe(features, torch.tensor([0]), start, decay=1e6)
    assert (fixed - start).abs().max() < 1e-5
    free = linear_probe(features, torch.tensor([0]), start, decay=1e-3)
    assert (features @ free.T).argmax() == 0


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


@table("family", list(WORDINGS))
def test_every_wording_has_one_prompt_per_class(family):
    others = {"synonym": {"liver cyst": "hepatic cyst"}, "abbreviation": {"liver cyst": "LC"}}
    prompts = with_wording(family, ["liver cyst", "calcified lesion"], others)
    assert len(set(prompts)) == 2
    assert ("hepatic" in prompts[0]) == (family == "synonym")
    assert ("LC" in prompts[0]) == (family == "abbreviation")
    assert ("cal les" in prompts[1]) == (family == "abbreviation")
