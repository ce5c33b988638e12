"""Services of fields with real runs: arrays, several files at once, and zipped studies."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scionwood
from scionwood import ReadError, RecipeError
from scionwood.authoring import LoadedRun, Served, with_options_classes
from scionwood_serve.worker.engine import many_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Apply = Callable[..., Served]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that trains a recipe for a few steps, once."""
    made: dict[str, Path] = {}

    def fit(recipe: str) -> Path:
        if recipe not in made:
            resolved = scionwood.resolve(recipe, ["trainer.accelerator=cpu"], smoke=True)
            made[recipe] = scionwood.fit(resolved, run_dir=tmp_path_factory.mktemp("runs") / "run")
        return made[recipe]

    return fit


@pytest.fixture
def apply(tmp_path: Path) -> Apply:
    """Return a function that applies a service to a file, as a worker does."""
    count = iter(range(100))

    def serve(service: str, run: str | Path, source: Path | np.ndarray, **options: Any) -> Served:
        if isinstance(source, np.ndarray):
            np.save(tmp_path / "request.npy", source)
            source = tmp_path / "request.npy"
        folder = scionwood.find_run(run, quiet=True)
        loaded = LoadedRun(folder, scionwood.load_run(folder))
        out = tmp_path / f"out{next(count)}"
        out.mkdir()
        with loaded.as_current():
            function = scionwood.load("services", service)
            answer: Served = function(
                loaded, source, out, **with_options_classes(function, options)
            )
        return answer

    return serve


def gather(n: int = 1, traces: int = 12, samples: int = 96) -> np.ndarray:
    draw = np.random.default_rng(0)
    t, x = np.arange(samples) * 0.004, np.arange(traces)[:, None]
    event = np.exp(-(((t - 0.1 - 0.004 * x) / 0.008) ** 2))
    noise = draw.standard_normal((n, traces, samples))
    return (1e-5 * (event + 0.2 * noise)).astype(np.float32)


def test_a_gather_comes_back_as_its_file_does(apply, tmp_path):
    from scionwood_seismic.readers.create import write_segy
    from scionwood_seismic.readers.opening import open_file

    data = gather(2)
    made = apply("seismic/denoise", "seismic/denoise", data, dt=0.004, page=True)
    assert made.file is not None
    assert made.page is not None
    denoised = np.load(made.file)
    assert denoised.shape == data.shape
    write_segy(tmp_path / "line.sgy", data, dt=0.004)
    scionwood.load("commands", "seismic/denoise")(
        tmp_path / "line.sgy", tmp_path / "clean.sgy", run="seismic/denoise", tta="none"
    )
    records = [record.data for record in open_file(tmp_path / "clean.sgy", gather="fldr")]
    assert np.array_equal(denoised, np.stack(records))
    one = apply("seismic/denoise", "seismic/denoise", data[0], dt=0.004)
    assert one.file is not None
    assert np.array_equal(np.load(one.file), denoised[0])


def test_a_gather_without_an_interval_or_with_four_axes_is_refused(apply):
    with pytest.raises(RecipeError, match="an array does not state its sample interval"):
        apply("seismic/denoise", "seismic/denoise", gather())
    with pytest.raises(ReadError, match=r"\(gather, trace, time\), and this is \(1, 1, 12, 96\)"):
        apply("seismic/denoise", "seismic/denoise", gather()[None], dt=0.004)


def test_a_state_is_encoded_as_its_file_is(apply, train, tmp_path):
    import zarr

    import scionwood_pde as pde

    run = train("pde/autoencode")
    state = np.random.default_rng(0).standard_normal((16, 16, 32)).astype(np.float32)
    made = apply("pde/encode", run, state, fields=["u"])
    assert made.file is not None
    assert made.values == {"units": "1"}
    latents = np.load(made.file)
    like = pde.simulate(n=1, n_points=16, n_steps=1, equation="gray_scott")
    grid = like.isel(channel=[0], time=[0]).assign_coords(channel=["u"])
    grid = grid.isel(z=np.arange(32) % 16).assign_coords(z=np.arange(32.0))
    for axis in ("x", "y", "z"):
        grid[axis].attrs = dict(like[axis].attrs)
    grid.values[0, 0, 0] = state
    pde.encode(grid, tmp_path / "file.zarr", pde.EncodeOptions(run=run, fields=["u"]))
    stored = np.asarray(zarr.open_group(tmp_path / "file.zarr", mode="r")["latents"])[0, 0]
    assert np.array_equal(latents, stored)
    with pytest.raises(ReadError, match="a state is"):
        apply("pde/encode", run, state[0])
    with pytest.raises(ReadError, match="it has 2 channels, and the fields are u"):
        apply("pde/encode", run, np.stack([state, state]), fields=["u"])


def test_a_picture_is_classified_as_its_file_is(apply, few_shot, tmp_path):
    from PIL import Image

    grey = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(np.repeat(grey[..., None], 3, -1)).save(tmp_path / "a.png")
    wanted = apply("biomed/classify", few_shot, tmp_path / "a.png").values
    for array in (grey, grey.astype(np.float32) / 255, np.repeat(grey[..., None], 3, -1)):
        assert apply("biomed/classify", few_shot, array, page=True).values == wanted
    with pytest.raises(ReadError, match="its values are from 0 to 255"):
        apply("biomed/classify", few_shot, grey.astype(np.float32))
    with pytest.raises(ReadError, match="a picture is"):
        apply("biomed/classify", few_shot, np.zeros((3, 4, 5)))


def together(service: str, run: str | Path, sources: list[Path], out: Path, **options: Any) -> Any:
    folder = scionwood.find_run(run, quiet=True)
    loaded = LoadedRun(folder, scionwood.load_run(folder))
    outs = [out / f"many{n}" for n in range(len(sources))]
    for each in outs:
        each.mkdir(parents=True)
    many = many_of(service)
    assert many is not None
    with loaded.as_current():
        return many(loaded, sources, outs, **with_options_classes(many, options))


def test_pictures_that_are_classified_together_differ_by_rounding(apply, few_shot, tmp_path):
    from PIL import Image

    draw, sources = np.random.default_rng(1), []
    for number in range(5):
        sources.append(tmp_path / f"{number}.png")
        Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(sources[-1])
    scionwood.load("readers", "biomed/nifti").write_sample(tmp_path / "v.nii.gz")
    sources.insert(2, tmp_path / "v.nii.gz")  # several views
    options = {"confidence": 0.1, "views": 32, "mpp": None, "page": False}
    made = together("biomed/classify", few_shot, sources, tmp_path, **options)
    for source, answer in zip(sources, made, strict=True):
        alone = apply("biomed/classify", few_shot, source, confidence=0.1).values
        assert answer.values["views"] == alone["views"]
        assert answer.values["label"] == alone["label"]
        assert answer.values["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)


REQUESTS = (
    "একটি চিঠি লিখুন।",
    "শিক্ষককে ছুটির আবেদন লেখো।",
    "বন্ধুকে একটি ছোট চিঠি লেখ।",
    "আপনি কেমন আছেন?",
)


def test_requests_that_are_answered_together_have_the_same_text(apply, tmp_path):
    sources = []
    for number, text in enumerate(REQUESTS):
        sources.append(tmp_path / f"{number}.txt")
        sources[-1].write_text(text, "utf-8")
    own = {"register": "apni", "max_new_tokens": 24}
    usual = {"sampled": False, "temperature": 0.8, "top_p": 0.95, "seed": 0, "page": True}
    run = "bangla/register_tiny"
    made = together("bangla/generate", run, sources, tmp_path, **own, **usual)
    alone = [apply("bangla/generate", run, source, **own).values for source in sources]
    assert [answer.values for answer in made] == alone
    assert all(answer.page is not None for answer in made)
    sampled = {**usual, "sampled": True, "page": False}
    drawn = together("bangla/generate", run, sources[:2], tmp_path / "s", **own, **sampled)
    assert drawn[1].values == apply("bangla/generate", run, sources[1], sampled=True, **own).values


def series(folder: Path, slices: int = 6, leave_out: int = -1) -> Path:
    """Write a CT series and pack it, in a folder of its own inside the archive."""
    import pydicom

    reader = scionwood.load("readers", "biomed/dicom")
    folder.mkdir(parents=True)
    series, study, frame = (pydicom.uid.generate_uid() for _ in range(3))
    for number in range(slices):
        if number == leave_out:
            continue
        path = folder / f"{number}.dcm"
        reader.write_sample(path)
        file = pydicom.dcmread(path)
        file.SeriesInstanceUID, file.StudyInstanceUID = series, study
        file.FrameOfReferenceUID = frame
        file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        file.ImagePositionPatient = [0, 0, 5.0 * number]
        file.InstanceNumber = number + 1
        file.save_as(path)
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as pack:
        for path in sorted(folder.iterdir()):
            pack.write(path, f"series/{path.name}")
    return archive


def test_a_study_in_a_zip_archive_is_answered_as_its_folder_is(apply, train, few_shot, tmp_path):
    import scionwood_biomed as biomed

    run = train("biomed/volumes")
    archive = series(tmp_path / "whole")
    made = apply("biomed/study", run, archive, page=True)
    wanted = biomed.study(tmp_path / "whole", options=biomed.RunOptions(run=run))
    assert made.values["probabilities"] == wanted.probabilities
    assert made.values["attention"] == wanted.attention
    assert made.page is not None
    assert "whole" not in json.dumps(made.values)
    one = apply("biomed/classify", few_shot, archive, page=True).values
    alone = biomed.Classifier(few_shot).classify_file(tmp_path / "whole")
    assert (one["probabilities"], one["views"]) == (alone.probabilities, alone.views)
    with pytest.raises(ReadError, match="a slice is missing"):
        apply("biomed/study", run, series(tmp_path / "hole", leave_out=3))


def test_a_zipped_deck_with_includes_is_predicted_as_the_deck_is(apply, tmp_path):
    sample, run = tmp_path / "whole.k", "crash/transfer_lora"
    scionwood.load("readers", "crash/keyword").write_sample(sample)
    text = sample.read_text()
    start = text.index("*NODE")
    end = text.index("\n*", start) + 1
    with zipfile.ZipFile(tmp_path / "car.zip", "w") as archive:
        archive.writestr("main.k", f"{text[:start]}*INCLUDE\nmesh/nodes.k\n{text[end:]}")
        archive.writestr("mesh/nodes.k", f"*KEYWORD\n{text[start:end]}*END\n")
    options = {"clamped": "ends", "units": "mm, ms, kg"}
    one = apply("crash/predict", run, sample, **options)
    other = apply("crash/predict", run, tmp_path / "car.zip", deck="main.k", **options)
    states = [sorted(each.file.rglob("*.vtu")) for each in (one, other)]  # type: ignore[union-attr]
    assert len(states[0]) == len(states[1]) > 1
    for plain, zipped in zip(*states, strict=True):
        assert plain.read_bytes() == zipped.read_bytes()
    with pytest.raises(ReadError, match=r"it has 2 decks; .*Name the main deck"):
        apply("crash/predict", run, tmp_path / "car.zip", **options)
