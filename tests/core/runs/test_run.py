"""A run in Python: its model, metrics and figures; merged and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table

import scionwood
from scionwood import Run, load_run, resolve
from scionwood.errors import OutputExistsError, TrainingError
from scionwood.runs import metrics
from scionwood.training.deployed import ExportError
from scionwood_export import export_run


@pytest.fixture(scope="module")
def run(toy_plugin: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    overrides = {"trainer.max_steps": 3, "trainer.logger": "csv", "task.lr": 0.03}
    place = tmp_path_factory.mktemp("runs") / "toy"
    return scionwood.fit("toy/regress", run_dir=place, overrides=overrides)


def test_fit_returns_a_path_that_has_the_trained_model(run: Run) -> None:
    x = torch.randn(3, 8)
    assert torch.equal(run.model(x), load_run(run).backbone(x))
    assert run.model is run.model
    assert not run.model.training
    assert Run(run) == run


def test_its_metrics_are_a_data_frame_or_dictionaries_without_pandas(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    table = run.metrics
    assert list(table["step"]) == [1, 2, 3, 3]
    assert table["lr"].tolist()[:3] == pytest.approx([0.03] * 3)
    assert table["val_loss"].notna().sum() == 1
    monkeypatch.setattr(metrics, "find_spec", lambda name: None)
    rows = run.metrics
    assert [row["step"] for row in rows] == [1, 2, 3, 3]
    assert isinstance(rows[0]["train_loss"], float)
    assert "val_loss" not in rows[0]


def test_its_figures_are_files_by_name(run: Run) -> None:
    assert set(run.figures) == {"metrics", "prediction"}
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in run.figures.values())


def test_merging_returns_a_plain_module_and_leaves_the_model(run: Run) -> None:
    x = torch.randn(3, 8)
    before = run.model(x)
    merged = run.merge()
    assert type(merged).__name__ == "Mlp"
    assert torch.allclose(merged(x), before, atol=1e-6)
    assert torch.equal(run.model(x), before)


def test_a_baseline_has_nothing_to_merge(toy_plugin: None, tmp_path: Path) -> None:
    given = {"trainer.max_steps": 1, "trainer.logger": "csv", "adapter": "frozen"}
    run = scionwood.fit("toy/regress", run_dir=tmp_path / "frozen", overrides=given)
    x = torch.randn(3, 8)
    assert torch.equal(run.merge()(x), run.model(x))


def test_it_exports_by_the_name_of_torch_and_compares_the_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "toy.pt2"
    done = export_run(run, path)
    assert done.reached <= done.allowed == 1e-5
    x = torch.randn(2, 8)
    exported = torch.export.load(path).module()
    assert torch.allclose(exported(x), run.model(x), atol=1e-5)
    with pytest.raises(OutputExistsError):
        export_run(run, path)


@pytest.mark.slow
def test_it_exports_to_onnx(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    done = export_run(run, tmp_path / "toy.onnx", format="onnx")
    assert done.reached <= done.allowed == 1e-4


def test_a_wrong_name_or_folder_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"\.onnx"):
        export_run(run, tmp_path / "toy.pt2", format="onnx")
    with pytest.raises(TrainingError):
        Run(tmp_path).model  # noqa: B018


def test_looking_at_a_run_imports_no_torch(run: Run, python: Callable[..., str]) -> None:
    code = (
        "import sys, scionwood\n"
        "from scionwood.runs import metrics\n"
        "metrics.find_spec = lambda name: None\n"
        "run = scionwood.Run(sys.argv[1])\n"
        "run.metrics, run.figures, run._repr_html_()\n"
        "print([name for name in ('torch', 'lightning', 'pandas') if name in sys.modules])"
    )
    assert python("-c", code, str(run)).strip() == "[]"


@table(
    ("overrides", "message"),
    [
        ({"task.lrr": 1}, "unknown key 'lrr'.*'lr'"),
        ({"task.lr": "fast"}, "lr.*float"),
        ({"data": {"class_path": "os.system"}}, "`class_path`"),
        ({"trainer.callbacks": [object]}, "callbacks"),
    ],
    ids=str,
)
def test_overrides_are_checked_as_those_of_the_command_line(
    overrides: dict[str, Any], message: str
) -> None:
    by_words = resolve("toy/regress", ["task.lr=3e-4", "adapter.r=1"])
    assert by_words == resolve("toy/regress", {"task.lr": 3e-4, "adapter.r": 1})
    with pytest.raises(scionwood.RecipeError, match=f"(?s){message}"):
        resolve("toy/regress", overrides)
