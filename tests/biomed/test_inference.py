"""A run on DICOM files: parameter counts, privacy, and the classification of new files."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from scionwood import RecipeError, build, resolve
from scionwood.authoring import ExportError, weights_digest
from scionwood.cli import main
from scionwood_biomed.data.images import Images
from scionwood_biomed.inference import NOTICE, Classifier
from scionwood_biomed.readers.opening import read_image, read_views
from scionwood_biomed.readers.slides import SlideReader
from scionwood_export import export_run

from .scans import BONE, PATIENTS, air, body, write_series, write_slice, write_volume

SCAN = [air(), air(), *(body(BONE, radius=r) for r in (0.5, 0.7, 0.8, 0.8, 0.6)), air()]


def test_printed_count_and_card_equal_the_number_of_trained_parameters(run):
    folder, output = run
    task, _ = build(resolve(folder / "recipe.yaml"))
    trains = sum(p.numel() for p in task.parameters() if p.requires_grad)
    texts = output, (folder / "README.md").read_text()
    (printed,) = {count for text in texts for count in re.findall(r"trainable ([\d,]+)", text)}
    assert f"trainable {printed}" in output
    assert int(printed.replace(",", "")) == trains > 0


def test_adapter_keeps_the_anchors_of_its_classes(run):
    folder, _ = run
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    path = folder / "adapter" / "adapter_model.safetensors"
    assert path.stat().st_size <= 8 * 2**20
    tensors = load_file(path)
    (anchors,) = (value for name, value in tensors.items() if "dual_anchor_kept" in name)
    data = resolve(folder / "recipe.yaml").data.build()
    assert config["kept"] == list(data.names())
    assert anchors.shape == (len(config["kept"]), config["features"])
    torch.testing.assert_close(anchors.norm(dim=-1), torch.ones(len(anchors)))


def test_run_folder_and_output_do_not_name_patients(run):
    folder, output = run
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    for patient in PATIENTS:
        assert patient not in output
        for path in files:
            assert patient.encode() not in path.read_bytes(), path


def test_batches_do_not_name_patients(cohort):
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


def test_series_gives_the_mean_over_its_slices_with_tissue(run, tmp_path, capsys):
    folder, _ = run
    series = write_series(tmp_path / "scan", SCAN, patient=PATIENTS[0])
    result = answer(capsys, series, "--run", folder, "--window", "soft_tissue")
    assert result["views"] == 5
    network = Classifier(folder)
    each = []
    for number in range(2, 7):
        alone = read_image(series / f"{number}.dcm", window="soft_tissue")
        each.append(list(network.classify([alone], 0.0).probabilities.values()))
    np.testing.assert_allclose(
        list(result["probabilities"].values()), np.mean(each, axis=0), atol=1e-6
    )
    assert np.ptp(each, axis=0).max() > 1e-5  # the slices differ
    assert sum(result["probabilities"].values()) == pytest.approx(1)
    assert result["notice"] == NOTICE


def test_ct_is_shown_in_the_window_of_the_runs_data(run, tmp_path, capsys):
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="p", WindowCenter=400)
    own, named, other = (
        answer(capsys, scan, "--run", run[0], *options)["probabilities"]
        for options in ([], ["--window", "soft_tissue"], ["--window", "bone"])
    )
    assert own == named != other


def test_nifti_volume_uses_the_same_slices_as_dicom(run, tmp_path, capsys):
    folder, _ = run
    volume = write_volume(tmp_path / "scan.nii.gz", SCAN)
    series = write_series(tmp_path / "scan", SCAN, patient=PATIENTS[0])
    result = answer(capsys, volume, "--run", folder)
    assert result["views"] == 5
    same = answer(capsys, series, "--run", folder, "--window", "range")
    for name, value in result["probabilities"].items():
        assert value == pytest.approx(same["probabilities"][name], abs=1e-5)


def test_slide_uses_its_tiles_with_tissue(run, tmp_path, capsys):
    folder, _ = run
    SlideReader.write_sample(tmp_path / "a.svs")
    result = answer(capsys, tmp_path / "a.svs", "--run", folder, "--mpp", "0.5")
    assert result["views"] == 32  # tiles of 64 pixels: 4 columns of 8 tiles are stained
    assert result["notice"] == NOTICE


def test_views_of_a_long_volume_are_evenly_spaced(tmp_path):
    series = write_series(tmp_path / "scan", SCAN, patient="p")
    every = list(read_views(series, window="soft_tissue"))
    three = list(read_views(series, window="soft_tissue", most=3))
    assert (len(every), len(three)) == (5, 3)
    for view, index in zip(three, (0, 2, 4), strict=True):
        np.testing.assert_array_equal(view, every[index])


def test_abstains_below_the_confidence_and_names_the_run(run, tmp_path, capsys):
    folder, _ = run
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="p")
    sure = answer(capsys, scan, "--run", folder, "--confidence", "0")
    assert (sure["run"], sure["digest"]) == (folder.name, weights_digest(folder))
    best = max(sure["probabilities"].values())
    assert sure["label"] is not None
    assert answer(capsys, scan, "--run", folder, "--confidence", best + 1e-6)["label"] is None
    assert main(["biomed", "classify", str(scan), "--run", str(folder), "--confidence", "1"]) == 0
    output = capsys.readouterr().out
    assert "no answer" in output
    assert NOTICE in output
    assert all(name in output for name in sure["probabilities"])


def test_refuses_an_empty_sequence_of_views(run):
    with pytest.raises(ValueError, match="at least one view"):
        Classifier(run[0]).classify([], 0.5)


def test_the_command_refuses_options_out_of_range(run, tmp_path, capsys):
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="p")
    command = ["biomed", "classify", str(scan), "--run", str(run[0])]
    for options, rule in ((["--views", "0"], "1 or more"), (["--confidence", "2"], "probability")):
        assert main([*command, *options]) == 2
        assert rule in capsys.readouterr().err


@pytest.mark.parametrize(
    "fields",
    [{"Modality": "US"}, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}],
    ids=["ultrasound", "secondary capture"],
)
def test_warns_if_text_may_be_burned_in(fields, tmp_path):
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="p", **fields)
    with pytest.warns(UserWarning, match="look at the pixels"):
        read_image(scan)
    safe = write_slice(
        tmp_path / "b.dcm", body(BONE), patient="p", BurnedInAnnotation="NO", **fields
    )
    read_image(safe)  # a warning would be an error


def test_refuses_images_without_a_subject(cohort, tmp_path):
    scan = write_slice(tmp_path / "a.dcm", body(BONE), patient="")
    (tmp_path / "cyst").mkdir()
    scan.rename(tmp_path / "cyst" / "a.dcm")
    with pytest.raises(RecipeError, match="its subject is not known"):
        Images(source=tmp_path).items()


def test_batched_views_give_the_mean_of_single_views(run):
    network = Classifier(run[0])
    rng = np.random.default_rng(0)
    views = [rng.random((64, 64, 3), dtype=np.float32) for _ in range(9)]
    mean = network.classify(views, 0.0)
    alone = [list(network.classify([view], 0.0).probabilities.values()) for view in views]
    assert mean.views == 9
    torch.testing.assert_close(
        torch.tensor(list(mean.probabilities.values())), torch.tensor(alone).mean(0)
    )


def test_what_is_exported_gives_the_probabilities_of_the_run(run, images):
    classifier = Classifier(run[0])
    deployed = classifier.task.deploy(run[0])
    assert deployed.normalisation.numbers["classes"] == classifier.classes
    with torch.no_grad():
        expected = classifier.task.predict({"image": images, "classes": classifier.classes})
        torch.testing.assert_close(deployed.module(images), expected)


def test_an_adapter_that_cannot_be_merged_has_no_merged_weights(run, tmp_path):
    with pytest.raises(ExportError, match=r"cannot be merged .* Use --format pt2"):
        export_run(run[0], tmp_path / "classes.safetensors", format="merged")
    assert not list(tmp_path.iterdir())
