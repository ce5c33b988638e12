"""Studies and their series: what is read, what is refused, and an answer for one study."""

import csv
import json
import shutil

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from case_table import table
from plain_figures import undrawn
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import scionwood
import scionwood_biomed as biomed
from scionwood import ReadError, RecipeError, WeightsError, fit, load_run, resolve
from scionwood.cli import main
from scionwood_bases import get_base
from scionwood_biomed import ClassifyOptions, RunOptions
from scionwood_biomed.data.images import Images
from scionwood_biomed.data.studies import Studies
from scionwood_biomed.evaluation.scores import auroc
from scionwood_biomed.inference.masks import label_slice
from scionwood_biomed.model.bag import BagHead
from scionwood_biomed.model.lda import discriminant, regression
from scionwood_biomed.readers.masks import masked_of
from scionwood_biomed.readers.volumes import slices_of
from scionwood_biomed.tasks.blockwise_lda import BlockwiseLda
from scionwood_biomed.tasks.findings import masked_cross_entropy

from .scans import body, write_series, write_slice, write_volume

CPU = ("trainer.accelerator=cpu", "trainer.enable_progress_bar=false")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of the three recipes at their smoke size, by name."""
    folder = tmp_path_factory.mktemp("runs")
    made = {}
    for name in ("blockwise_lda", "volumes", "segment"):
        recipe = resolve(f"biomed/{name}", CPU, smoke=True)
        with undrawn():
            made[name] = fit(recipe, run_dir=folder / name)
    return made


@pytest.fixture
def series(tmp_path):
    return write_series(tmp_path / "s", [body(60 + at) for at in range(8)], patient="P1")


def test_slices_of_a_series_a_file_and_a_volume_are_in_order(series, tmp_path):
    pictures = slices_of(series, "soft_tissue", 8)
    assert pictures.shape == (8, 64, 64, 3)
    inside = pictures.max((1, 2, 3))
    assert (np.diff(inside) > 0).all()
    volume = write_volume(tmp_path / "v.nii.gz", [body(60 + at) for at in range(8)])
    assert slices_of(volume, "file", 4).shape == (4, 64, 64, 3)
    assert slices_of(series / "0.dcm", "soft_tissue", 3).shape[0] == 3  # one slice, repeated


def other_modality(series):
    dataset = pydicom.dcmread(series / "3.dcm")
    dataset.Modality = "MR"
    dataset.save_as(series / "3.dcm")


@table(
    ("change", "rule"),
    [
        (lambda s: (s / "3.dcm").unlink(), r"missing between 10\.0 and 20\.0 mm"),
        (
            lambda s: write_slice(s / "again.dcm", body(1), patient="P1", z=15.0),
            r"two slices have the position 15\.0 mm",
        ),
        (other_modality, "one modality, and this one has CT, MR"),
        (lambda s: write_slice(s / "other.dcm", body(1), patient="P2", z=99.0), "2 subjects"),
        (
            lambda s: write_slice(s / "scout.dcm", body(1, size=32), patient="P1", z=99.0),
            "differ in size, colour or orientation",
        ),
    ],
    ids=["missing", "repeated", "two modalities", "two subjects", "another size"],
)
def test_a_series_that_is_no_whole_study_is_refused(change, rule, tmp_path):
    series = write_series(tmp_path / "s", [body(60 + at) for at in range(8)], patient="P1")
    change(series)
    with pytest.raises(ReadError, match=rule):
        slices_of(series, "range", 8)


def test_a_table_of_studies_gives_volumes(series, tmp_path):
    source = tmp_path / "studies.csv"
    source.write_text("path,label,subject,split\ns,lesion,P1,train\n")
    data = Studies(source=source, slices=4, window="soft_tissue")
    (batch,) = data.loader("train")
    assert batch["image"].shape == (1, 4, 3, 64, 64)
    source.write_text("path,label,subject\nnope,lesion,P1\n")
    with pytest.raises(ReadError, match="line 2"):
        Studies(source=source).items()


def test_a_run_answers_for_a_study_and_writes_a_page(runs, series, tmp_path, capsys):
    page = tmp_path / "page.html"
    command = ["biomed", "study", str(series), str(page), "--run", str(runs["volumes"])]
    assert main([*command, "--window", "soft_tissue", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert sum(answer["attention"]) == pytest.approx(1, abs=1e-5)
    for name, (low, high) in answer["ranges"].items():
        assert low - 1e-6 <= answer["probabilities"][name] <= high + 1e-6
    assert "not a medical device" in page.read_text("utf-8")
    assert main(command) != 0
    assert "exists" in capsys.readouterr().err
    assert (
        biomed.study(series, options=RunOptions(run=runs["volumes"], window="soft_tissue")).label
        == answer["label"]
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A run on series of CT with 8 to 10 slices, without a note of kinds in a copy of it."""
    folder = tmp_path_factory.mktemp("fitted")
    rows = []
    for at in range(8):
        label, name = ("lesion", "normal")[at % 2], f"p{at}"
        slices = [body(60 + 400 * (at % 2) + at)] * (8 + at % 3)
        write_series(folder / name, slices, patient=name)
        rows.append((name, label, name, ("train", "train", "train", "val")[at // 2 % 4]))
    with (folder / "studies.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "subject", "split"), *rows])
    change = (
        *CPU,
        "backbone.classes=[lesion, normal]",
        "backbone.slices=4",
        "task.reference=null",
        f"data={{name: biomed/studies, source: {folder / 'studies.csv'}, slices: 4, size: 64, "
        "window: soft_tissue}",
    )
    with undrawn():
        return fit(resolve("biomed/volumes", change, smoke=True), run_dir=folder / "run")


def test_a_study_of_another_kind_than_the_run_is_refused(fitted, tmp_path):
    """The network would answer with a probability, and mean nothing by it."""
    assert json.loads((fitted / "studies.json").read_text()) == {
        "modalities": ["CT"], "fewest": 8, "most": 10,
    }  # fmt: skip
    study = write_series(tmp_path / "s", [body(60)] * 9, patient="P1")
    assert biomed.study(study, options=RunOptions(run=fitted)).label in ("lesion", "normal")
    for count, message in ((1, "it has 1 slices, and the run takes 8 to 10"), (12, "12 slices")):
        other = write_series(tmp_path / str(count), [body(60)] * count, patient="P1")
        with pytest.raises(ReadError, match=message):
            biomed.study(other, options=RunOptions(run=fitted))
    for path in study.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.Modality = "MR"
        dataset.save_as(path)
    with pytest.raises(ReadError, match="it is MR, and the run was fitted to CT"):
        biomed.study(study, options=RunOptions(run=fitted, window="range"))
    volume = write_volume(tmp_path / "v.nii", [body(60)] * 9)
    with pytest.raises(ReadError, match="it is NIfTI"):
        biomed.study(volume, options=RunOptions(run=fitted))
    former = tmp_path / "former"  # a run of an earlier version states no kinds
    shutil.copytree(fitted, former)
    for name in ("studies.json", "files.json"):
        (former / name).unlink()
    assert biomed.study(study, options=RunOptions(run=former, window="range")).label in (
        "lesion",
        "normal",
    )
    with pytest.raises(ReadError, match="the run takes 4 or more"):
        biomed.study(tmp_path / "1", options=RunOptions(run=former))
    (former / "studies.json").write_text('{"modalities": 1}')
    with pytest.raises(ReadError, match=r"studies\.json"):
        biomed.study(study, options=RunOptions(run=former, window="range"))


def test_block_wise_lda_classifies_and_scores(runs, tmp_path):
    run = runs["blockwise_lda"]
    scan = write_slice(tmp_path / "a.dcm", body(60), patient="P1")
    answer = biomed.classify(scan, ClassifyOptions(run=run, window="soft_tissue", confidence=0))
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    scores = {score.name: score for score in biomed.score(run)}
    assert scores["AUROC"].low <= scores["AUROC"].value <= scores["AUROC"].high


def test_steps_of_the_run_leave_the_fit_as_it_was(runs):
    task = load_run(runs["blockwise_lda"])
    data = resolve(runs["blockwise_lda"] / "recipe.yaml").data.build()
    before = [weight.clone() for weight in task.network.answer.weight]
    task.fit_to(data.train_dataloader(), data.val_dataloader())
    for one, two in zip(before, task.network.answer.weight, strict=True):
        assert torch.allclose(one, two, atol=1e-4)


def test_a_label_that_names_no_class_is_refused():
    recipe = resolve("biomed/blockwise_lda", ("backbone.classes=[cyst, tumour]",), smoke=True)
    task = recipe.task.build(recipe.backbone.build())
    data = recipe.data.build()
    with pytest.raises(RecipeError, match=r"'calcified lesion'.*no class has this name"):
        task.fit_to(data.train_dataloader(), data.val_dataloader())


def test_the_discriminant_finds_a_direction_that_means_alone_do_not():
    draws = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 2, generator=draws) @ torch.tensor([[3.0, 3.0], [0.1, -0.1]])
    label = torch.arange(200) % 2
    x = noise + torch.tensor([[0.0, 0.0], [0.5, -0.5]])[label]
    fitted = discriminant(x, label, 2, shrink=0.01)
    assert ((fitted.scores(x).argmax(1) == label).float().mean()) > 0.95
    with pytest.raises(RecipeError, match="class 2 of 3 has no training image"):
        discriminant(x, label, 3)
    with pytest.raises(RecipeError, match="2 of 3 classes"):
        regression(x, label, 3)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_regression_is_that_of_scikit_learn(classes):
    rng = np.random.default_rng(0)
    x = torch.nn.functional.normalize(torch.tensor(rng.normal(size=(30, 5))).float(), dim=-1)
    label = torch.arange(30) % classes
    other = LogisticRegression(C=10, max_iter=1000).fit((10 * x).double().numpy(), label.numpy())
    wanted = other.predict_proba((10 * x).double().numpy())
    found = regression(x, label, classes).scores(x).softmax(-1)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)


def test_a_run_reads_its_blocks_by_regression():
    data = resolve("biomed/blockwise_lda", smoke=True).data.build()
    heads = []
    for reading in ("regression", "discriminant"):
        recipe = resolve("biomed/blockwise_lda", (f"task.reading={reading}",), smoke=True)
        task = recipe.task.build(recipe.backbone.build())
        task.fit_to(data.loader("train"), data.loader("val"))
        heads.append(task.network.answer.weight[0].clone())
        assert task.predict(next(iter(data.loader("test")))).sum(-1).allclose(torch.tensor(1.0))
    assert not torch.allclose(*heads)
    with pytest.raises(RecipeError, match="discriminant, regression"):
        BlockwiseLda(recipe.backbone.build(), reading="tree")


def test_findings_train_with_unknown_cells_left_out(tmp_path):
    rows = [("path", "subject", "edema", "mass")]
    for at in range(12):
        write_slice(tmp_path / f"{at}.dcm", body(60 + 40 * (at % 2) + at), patient=f"P{at}")
        rows.append((f"{at}.dcm", f"P{at}", str(at % 2), "" if at % 3 else str(at // 3 % 2)))
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    names = ["edema", "mass"]
    data = Images(source=tmp_path / "t.csv", size=64, shots=None, findings=names, window="range")
    change = ("backbone.classes=[edema, mass]", "backbone.exclusive=false")
    recipe = resolve("biomed/blockwise_lda", change, smoke=True)
    task = recipe.task.build(recipe.backbone.build())
    task.fit_to(data.loader("train"), data.loader("val"))
    batch = next(iter(data.loader("train")))
    assert batch["label"].isnan().any()
    answers = task.predict(batch)
    known = batch["label"][:, 0]
    assert ((answers[:, 0] > 0.5).float() == known).all()
    with pytest.raises(RecipeError, match=r"Set data\.shots to null"):
        Images(source=tmp_path / "t.csv", findings=names)


def test_the_area_under_the_curve_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    answers, label = rng.random((60, 3)).round(1), np.arange(60) % 3  # many equal scores
    areas = [roc_auc_score(label == at, answers[:, at]) for at in range(3)]
    assert auroc(answers, label) == pytest.approx(np.mean(areas), abs=1e-12)
    answers[5, 1] = float("nan")
    assert np.isnan(auroc(answers, label))


def test_the_spread_of_the_last_slice_is_not_that_of_the_first():
    head = BagHead((6, 2, 3), width=3, hidden=4, classes=2)
    deviations = torch.tensor([100.0, 1, 1, 1, 1, 1]).reshape(1, 6, 1, 1)
    generator = torch.Generator().manual_seed(0)
    cells = deviations * torch.randn(40, 6, 2, 3, generator=generator)
    head.fit_places(cells, torch.ones(40, dtype=torch.bool))
    means = head.scale.mean((1, 2)).tolist()
    assert means[1] > 1.1 * means[5]
    assert means[5] == pytest.approx(means[3], rel=0.05)


def test_masked_cross_entropy_ignores_unknown_labels():
    logits, nan = torch.tensor([[0.0, 5.0]]), float("nan")
    assert float(masked_cross_entropy(logits, torch.tensor([[1.0, nan]]))) == pytest.approx(
        0.6931, abs=1e-4
    )
    assert float(masked_cross_entropy(logits, torch.tensor([[nan, nan]]))) == 0


def test_a_mask_of_another_grid_or_class_is_refused(tmp_path):
    volume = write_volume(tmp_path / "v.nii", [body(60)] * 3)
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[3, 4, 1] = 2
    affine = nib.load(volume).affine
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "m.nii")
    assert masked_of(volume, tmp_path / "m.nii", "file", 2)[1].sum() == 2
    with pytest.raises(ReadError, match="the value 2 names no class"):
        masked_of(volume, tmp_path / "m.nii", "file", 1)
    nib.save(nib.Nifti1Image(mask, affine @ np.diag([2, 1, 1, 1])), tmp_path / "o.nii")
    with pytest.raises(ReadError, match="its affine differs"):
        masked_of(volume, tmp_path / "o.nii", "file", 2)
    nib.save(nib.Nifti1Image(mask[:32], affine), tmp_path / "s.nii")
    with pytest.raises(ReadError, match="its grid is"):
        masked_of(volume, tmp_path / "s.nii", "file", 2)


def test_a_run_writes_the_mask_of_a_volume_on_its_grid(runs, tmp_path):
    volume = write_volume(tmp_path / "v.nii.gz", [body(60, size=80)] * 2)
    mask = biomed.segment(volume, tmp_path / "m.nii.gz", RunOptions(run=runs["segment"]))
    written = nib.load(tmp_path / "m.nii.gz")
    assert np.allclose(written.affine, nib.load(volume).affine)
    assert written.shape == (80, 80, 2)
    assert masked_of(volume, tmp_path / "m.nii.gz", "file", 1)[1].sum() == mask.sum()


def test_windows_that_overlap_cover_a_slice_of_any_size():
    class Bright(torch.nn.Module):
        def forward(self, image):
            return torch.stack([0.5 - image[:, 0], image[:, 0] - 0.5], 1)

    for shape in ((40, 100), (64, 64), (130, 70)):
        picture = np.random.default_rng(0).random(shape, np.float32)
        assert (label_slice(Bright(), picture, 64) == (picture > 0.5)).all()


def test_files_of_the_hub_become_a_base(biomedclip, tmp_path, monkeypatch):
    hub = tmp_path / "hub"
    shutil.copytree(biomedclip, hub)
    state = load_file(hub / "open_clip_model.safetensors")
    torch.save(state, hub / "open_clip_pytorch_model.bin")
    config = json.loads((hub / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] |= {"hf_model_name": "a/b", "hf_tokenizer_name": "a/b"}
    (hub / "open_clip_config.json").write_text(json.dumps(config))
    monkeypatch.setenv("SCIONWOOD_CACHE", str(tmp_path / "cache"))
    base = "biomed/biomedclip"
    with pytest.raises(WeightsError, match="hf download"):
        scionwood.base_path(base)
    get_base(base, licence="MIT, for research", file=hub)
    keys = {"backbone.weights": "base:biomed/biomedclip"}
    model = scionwood.resolve("biomed/few_shot", keys).backbone.build()
    assert model.tokenize(["a liver"]).shape[0] == 1
