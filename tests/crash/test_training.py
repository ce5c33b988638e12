"""Data, task, metrics, baselines and commands, on small simulations of the suite."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scionwood import OutputExistsError, ReadError, RecipeError, cli, fit
from scionwood.recipe import resolve
from scionwood_crash.backbones import mask_morph_unet
from scionwood_crash.data.files import FileParts
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.baselines import Pod
from scionwood_crash.evaluation.metrics import distances, intrusion, measure
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import Setup, from_series, to_series
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.tasks.displacement import Displacement


@pytest.fixture(scope="module")
def batch(suite: SuiteParts) -> dict[str, Any]:
    return next(iter(suite.train_dataloader()))


def test_the_suite_gives_parts_of_unequal_meshes(suite: SuiteParts, batch: dict) -> None:
    graph = batch["graph"]
    assert len(graph.condition) == 4
    counts = torch.bincount(graph.batch)
    assert len(counts.unique()) > 1
    assert batch["displacement"].shape == (int(counts.sum()), 3, 3)
    assert batch["plastic_strain"].shape == (len(graph.cells), 3)
    assert not batch["displacement"][:, 0].any()
    assert batch["displacement"][:, -1].abs().max() > 0.005, "half a millimetre at least"


def test_simulations_are_read_from_the_folder(suite: SuiteParts) -> None:
    suite.parts("train")
    again = SuiteParts(
        families=["hat", "box"],
        n_train=2,
        n_val=1,
        n_test=1,
        element_size=50.0,
        duration=0.5,
        frames=3,
        folder=suite.folder,
    )
    kept = sorted(path.stat().st_mtime_ns for path in suite.folder.rglob("*.safetensors"))
    for ours, theirs in zip(again.parts("train"), suite.parts("train"), strict=True):
        np.testing.assert_array_equal(ours.displacement, theirs.displacement)
    assert kept == sorted(p.stat().st_mtime_ns for p in suite.folder.rglob("*.safetensors"))


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(RecipeError, match="hat, bumper, tube, box"):
        SuiteParts(families=["door"])


def test_measures_of_a_prediction_that_is_off_by_known_amounts(batch: dict) -> None:
    graph, true = batch["graph"], batch["displacement"]
    parts = len(graph.condition)
    exact = measure(true, true, graph)
    assert all(not values.any() for values in exact.values())
    off = true + torch.tensor([0.0, 0.03, 0.04])
    torch.testing.assert_close(
        distances(off, true, graph.batch, parts), torch.full((parts, 3), 5.0)
    )
    direction = graph.condition[:, 12:15]
    deeper = true * 1.1
    found = measure(deeper, true, graph)["intrusion_error"]
    torch.testing.assert_close(found, torch.full((parts,), 10.0), rtol=1e-3, atol=1e-3)
    along = 100 * (true * direction[graph.batch][:, None]).sum(-1)
    assert float(intrusion(true, graph)[0, -1]) == pytest.approx(
        float(along[graph.batch == 0, -1].max()), rel=1e-5
    )


def test_the_loss_counts_parts_and_not_nodes(batch: dict) -> None:
    task = Displacement(mask_morph_unet(frames=3), intrusion_weight=0.0)
    graph, true = batch["graph"], batch["displacement"]
    alone = []
    predicted = task.predict(batch)[0].detach()
    direction = graph.condition[:, 12:15]
    for at in range(len(graph.condition)):
        mine = graph.batch == at
        gap = (predicted - true)[mine].norm(dim=-1).mean()
        alone.append(gap / (true[mine] @ direction[at]).max())
    assert task.losses(batch)["loss"].item() == pytest.approx(float(torch.stack(alone).mean()))
    assert task.batch_size(batch) == 4


def test_a_network_with_plastic_strain_learns_both(batch: dict) -> None:
    task = Displacement(mask_morph_unet(frames=3, plastic=True), strain_weight=2.0)
    losses = task.losses(batch)
    total = losses["displacement"] + losses["intrusion"] + 2 * losses["strain"]
    assert losses["loss"].item() == pytest.approx(total.item())


def test_the_task_draws_the_first_part(batch: dict) -> None:
    figures = Displacement(mask_morph_unet(frames=3).eval()).draw(batch)
    assert set(figures) == {"deformed", "intrusion", "error"}
    assert len(figures["deformed"].axes) == 3


@pytest.mark.parametrize("regression", ["gp", "knn"])
def test_pod_returns_smooth_histories_that_it_was_fitted_to(
    suite: SuiteParts, regression: Any
) -> None:
    hats = []
    for size, each in enumerate(suite.encoded("train")[:2], 1):
        bend = size * (1 - (each.graph.position[:, :1] / each.graph.position.max()) ** 2)
        history = bend[:, None] * torch.tensor([0.0, 0.5, 1.0])[None, :, None]
        hats.append(each._replace(displacement=history.expand(-1, -1, 3)))
    found = Pod(regression, neighbours=1).fit(hats, 42)
    for each in hats:
        wanted, given = each.displacement.numpy(), found.predict(each)
        held = each.graph.held.numpy()
        assert np.abs(given - wanted)[~held].mean() < 0.1 * np.abs(wanted).max()
        assert not given[held].any()


def test_a_part_survives_a_file(suite: SuiteParts, tmp_path: Path) -> None:
    part = suite.parts("test")[0]
    write_series(tmp_path / "part.vtp", to_series(part))
    again = from_series(open_series(tmp_path / "part.vtp"))
    for name in ("points", "cells", "held", "times", "thickness"):
        np.testing.assert_allclose(getattr(again, name), getattr(part, name), atol=1e-6)
    np.testing.assert_allclose(again.displacement, part.displacement, atol=1e-5)
    assert again.impactor.kind == part.impactor.kind
    np.testing.assert_allclose(again.impactor.point, part.impactor.point)
    assert again.material.yield_stress == pytest.approx(part.material.yield_stress)


def test_a_mesh_alone_needs_to_be_told_what_is_held(suite: SuiteParts, tmp_path: Path) -> None:
    part = suite.parts("test")[0]
    series = to_series(part)
    from dataclasses import replace

    bare = replace(series, times=series.times[:1], features={}, read=_bare(series))
    with pytest.raises(ReadError, match="--held"):
        from_series(bare, frames=3)
    found = from_series(bare, Setup(held="ends", speed=5.0), frames=3)
    assert found.displacement is None
    assert (found.held == part.held).all()
    assert found.impactor.speed == 5.0


def _bare(series: Any) -> Callable[[int], Any]:
    from dataclasses import replace

    return lambda index: replace(series.read(index), point_fields={}, cell_fields={})


def test_files_are_split_by_the_seed(suite: SuiteParts, tmp_path: Path) -> None:
    every = [*suite.parts("train"), *suite.parts("val")]
    for at, part in enumerate(every):
        write_series(tmp_path / f"{at}.zarr", to_series(part))
    data = FileParts(files=str(tmp_path / "*.zarr"), batch_size=2)
    names = {split: {part.name for part in data.parts(split)} for split in ("train", "val", "test")}
    assert sorted(len(each) for each in names.values()) == [1, 1, len(every) - 2]
    assert len(set.union(*names.values())) == len(every)
    assert len(next(iter(data.train_dataloader()))["graph"].condition) == 2
    with pytest.raises(ReadError, match="are held out"):
        FileParts(files=str(tmp_path / "*.pvd")).parts("train")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return fit(resolve("crash/pretrain", smoke=True), run_dir=folder)


def test_predict_and_evaluate_from_the_command_line(
    suite: SuiteParts, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part: Part = suite.parts("test")[0]
    true, out = tmp_path / "true.vtp", tmp_path / "out.pvd"
    write_series(true, to_series(part))
    command = ["crash", "predict", str(true), str(out), "--run", str(run)]
    assert cli.main(command) == 0
    found = open_series(out)
    assert found.displacement().shape == part.displacement.shape
    np.testing.assert_allclose(found.times, part.times)
    assert not found.displacement()[:, part.held].any()
    assert cli.main(command) == 2, "the target is there already"
    capsys.readouterr()
    figures = tmp_path / "figures"
    options = ["--figures", str(figures), "--as-json"]
    assert cli.main(["crash", "evaluate", str(out), str(true), *options]) == 0
    errors = json.loads(capsys.readouterr().out)
    assert len(errors["by_time"]["med"]) == 3
    assert errors["by_time"]["med"][0] == pytest.approx(0, abs=1e-6)
    assert {path.name for path in figures.iterdir()} == {
        "deformed.png",
        "deformed.gif",
        "intrusion.png",
        "error.png",
        f"probe-{errors['intrusion_node'][0]}.png",
        "report.html",
    }
    assert str(round(errors["med"], 4))[:4] in (figures / "report.html").read_text()
    assert "distance" in errors["familiarity"], "what the network said of the part is in its file"


@pytest.mark.parametrize(
    ("deck", "part", "points"),
    [("wheel.k", None, 11825), ("bird.k", None, 5185), ("EXP_SC_JOINT_SCREW.key", 1000000, 4576)],
)
def test_real_decks_are_predicted_on(
    run: Path, tmp_path: Path, deck: str, part: int | None, points: int
) -> None:
    """They are no profiles, so they are projected; what comes out has their nodes and is finite."""
    decks = Path(pytest.importorskip("lsdyna_mesh_reader").__file__).parent / "examples"
    options = ["--held", "low", "--thickness", "1", "--fallback", "project", "--run", str(run)]
    options += [] if part is None else ["--part", str(part)]
    out = tmp_path / "out.zarr"
    assert cli.main(["crash", "predict", str(decks / deck), str(out), *options]) == 0
    found = open_series(out).displacement()
    assert found.shape == (3, points, 3)
    assert np.isfinite(found).all()
    assert found.any()


def test_evaluating_twice_keeps_the_figures(
    suite: SuiteParts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scionwood_crash.cli import evaluate

    true = tmp_path / "true.vtp"
    write_series(true, to_series(suite.parts("test")[0]))
    evaluate(true, true, figures=tmp_path / "figures")
    assert "off by 0.00 %" in capsys.readouterr().out
    with pytest.raises(OutputExistsError):
        evaluate(true, true, figures=tmp_path / "figures")
    other = tmp_path / "other.vtp"
    write_series(other, to_series(suite.parts("train")[0]))
    with pytest.raises(RecipeError, match="nodes and states"):
        evaluate(other, true)
