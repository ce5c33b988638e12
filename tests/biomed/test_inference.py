"""A run on DICOM files: what it counts, what it keeps of the patients, and what it answers."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from scionwood import RecipeError, build, resolve
from scionwood.cli import main
from scionwood_biomed.data.images import Images
from scionwood_biomed.inference import NOTICE, Classifier
from scionwood_biomed.readers.opening import read_picture, read_views
from scionwood_biomed.readers.slides import SlideReader

from .scans import BONE, PATIENTS, air, body, write_series, write_slice, write_volume

SCAN = [air(), air(), *(body(BONE, radius=r) for r in (0.5, 0.7, 0.8, 0.8, 0.6)), air()]


def test_the_count_that_is_printed_and_on_the_card_is_the_sum_of_what_trains(run):
    folder, said = run
    task, _ = build(resolve(folder / "recipe.yaml"))
    trains = sum(p.numel() for p in task.parameters() if p.requires_grad)
    texts = said, (folder / "README.md").read_text()
    (printed,) = {found for text in texts for found in re.findall(r"trainable ([\d,]+)", text)}
    assert f"trainable {printed}" in said
    assert int(printed.replace(",", "")) == trains > 0


def test_the_adapter_keeps_the_anchors_of_its_classes(run):
    folder, _ = run
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    tensors = load_file(folder / "adapter" / "adapter_model.safetensors")
    (anchors,) = (value for name, value in tensors.items() if "dual_anchor_kept" in name)
    data = resolve(folder / "recipe.yaml").data.build()
    assert config["kept"] == list(data.names())
    assert anchors.shape == (len(config["kept"]), config["features"])
    torch.testing.assert_close(anchors.norm(dim=-1), torch.ones(len(anchors)))


def test_the_file_of_the_adapter_has_megabytes_at_most(run):
    folder, _ = run
    assert (folder / "adapter" / "adapter_model.safetensors").stat().st_size <= 8 * 2**20


def test_no_file_and_no_line_of_a_run_names_a_patient(run):
    folder, said = run
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    for patient in PATIENTS:
        assert patient not in said
        for path in files:
            assert patient.encode() not in path.read_bytes(), path


def test_no_batch_names_a_patient(cohort):
    data = Images(source=cohort, size=64, shots=2)
    batches = [
        batch
        for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
        for batch in loader
    ]
    assert sum(len(batch["label"]) for batch in batches) == 4 + 2 + 2
    for batch in batches:
        assert set(batch) == {"image", "label", "classes"}
        assert not any(patient in repr(batch) for patient in PATIENTS)
    subjects = {item.subject for item in data.items()}
    assert len(subjects) == 12
    assert not subjects & set(PATIENTS)


def answer(capsys, *arguments):
    capsys.readouterr()
    assert main(["biomed", "classify", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_series_is_answered_by_the_mean_over_its_slices_with_tissue(run, tmp_path, capsys):
    folder, _ = run
    series = write_series(tmp_path / "scan", SCAN, patient=PATIENTS[0])
    found = answer(capsys, series, "--run", folder, "--window", "soft_tissue")
    assert found["views"] == 5
    network = Classifier(folder)
    each = []
    for number in range(2, 7):
        alone = read_picture(series / f"{number}.dcm", window="soft_tissue")
        each.append(list(network.classify([alone], 0.0).probabilities.values()))
    np.testing.assert_allclose(
        list(found["probabilities"].values()), np.mean(each, axis=0), atol=1e-6
    )
    assert np.ptp(each, axis=0).max() > 1e-5  # no single slice would do
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert found["notice"] == NOTICE


def test_ct_is_shown_in_the_window_of_the_runs_data(run, tmp_path, capsys):
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="p", WindowCenter=400)
    own, named, other = (
        answer(capsys, scan, "--run", run[0], *options)["probabilities"]
        for options in ([], ["--window", "soft_tissue"], ["--window", "bone"])
    )
    assert own == named != other


def test_a_nifti_volume_is_answered_by_the_same_slices(run, tmp_path, capsys):
    folder, _ = run
    volume = write_volume(tmp_path / "scan.nii.gz", SCAN)
    series = write_series(tmp_path / "scan", SCAN, patient=PATIENTS[0])
    found = answer(capsys, volume, "--run", folder)
    assert found["views"] == 5
    same = answer(capsys, series, "--run", folder, "--window", "range")
    for name, value in found["probabilities"].items():
        assert value == pytest.approx(same["probabilities"][name], abs=1e-5)


def test_a_slide_is_answered_by_its_tiles_with_tissue(run, tmp_path, capsys):
    folder, _ = run
    SlideReader.write_sample(tmp_path / "a.svs")
    found = answer(capsys, tmp_path / "a.svs", "--run", folder, "--mpp", "0.5")
    assert found["views"] == 32  # 64 pixels a tile: 4 columns of 8 tiles are stained
    assert found["notice"] == NOTICE


def test_a_long_volume_is_looked_at_evenly(tmp_path):
    series = write_series(tmp_path / "scan", SCAN, patient="p")
    every = list(read_views(series, window="soft_tissue"))
    three = list(read_views(series, window="soft_tissue", most=3))
    assert (len(every), len(three)) == (5, 3)
    for view, index in zip(three, (0, 2, 4), strict=True):
        np.testing.assert_array_equal(view, every[index])


def test_below_the_confidence_there_is_no_answer(run, tmp_path, capsys):
    folder, _ = run
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="p")
    sure = answer(capsys, scan, "--run", folder, "--confidence", "0")
    best = max(sure["probabilities"].values())
    assert sure["label"] is not None
    assert answer(capsys, scan, "--run", folder, "--confidence", best + 1e-6)["label"] is None
    assert main(["biomed", "classify", str(scan), "--run", str(folder), "--confidence", "1"]) == 0
    said = capsys.readouterr().out
    assert "no answer" in said
    assert NOTICE in said


def test_an_answer_needs_a_view(run):
    with pytest.raises(ValueError, match="at least one view"):
        Classifier(run[0]).classify([], 0.5)


def test_no_views_are_refused_on_the_command_line(run, tmp_path, capsys):
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="p")
    arguments = ["classify", str(scan), "--run", str(run[0]), "--views", "0"]
    assert main(["biomed", *arguments]) != 0
    assert "1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    "fields",
    [{"Modality": "US"}, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}],
    ids=["ultrasound", "secondary capture"],
)
def test_where_text_may_be_burned_in_a_warning_says_so(fields, tmp_path):
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="p", **fields)
    with pytest.warns(UserWarning, match="look at the pixels"):
        read_picture(scan)
    safe = write_slice(
        tmp_path / "b.dcm", body(BONE), patient="p", BurnedInAnnotation="NO", **fields
    )
    read_picture(safe)  # a warning would be an error


def test_a_table_without_subjects_trains_nothing(cohort, tmp_path):
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="")
    (tmp_path / "cyst").mkdir()
    scan.rename(tmp_path / "cyst" / "a.dcm")
    with pytest.raises(RecipeError, match="its subject is not known"):
        Images(source=tmp_path).items()


def test_views_are_looked_at_in_batches_and_give_one_mean(run):
    network = Classifier(run[0])
    rng = np.random.default_rng(0)
    views = [rng.random((64, 64, 3), dtype=np.float32) for _ in range(20)]
    mean = network.classify(views, 0.0)
    alone = [list(network.classify([view], 0.0).probabilities.values()) for view in views]
    assert mean.views == 20
    torch.testing.assert_close(
        torch.tensor(list(mean.probabilities.values())), torch.tensor(alone).mean(0)
    )
