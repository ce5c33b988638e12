"""Which runs are not shared, and what of this machine stays out of a shared run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

import scionwood
from scionwood.errors import TrainingError, WriteError
from scionwood.runs.manifest import write_manifest
from scionwood_share.privacy import base_licence, refuse_licence
from scionwood_share.publish import push


@pytest.fixture
def run(toy_run: Path, tmp_path: Path) -> Path:
    """A copy of the toy run, without its checkpoints."""
    return Path(shutil.copytree(toy_run, tmp_path / "run", ignore=lambda *_: ["checkpoints"]))


def set_licence(run: Path, licence: str) -> None:
    path = run / "adapter" / "scionwood.json"
    record = json.loads(path.read_text())
    record["base"]["licence"] = licence
    path.write_text(json.dumps(record))
    write_manifest(run)


def test_a_run_without_a_measured_value_is_not_shared(run, tmp_path):
    for rows in ("step,train_loss\n1,0.5\n", "step,val_loss\n1,\n"):
        (run / "metrics.csv").write_text(rows)
        with pytest.raises(TrainingError, match="no value of a validation or a test"):
            push(run, str(tmp_path / "a.zip"))
    (run / "metrics.csv").unlink()
    with pytest.raises(TrainingError, match="no value of a validation or a test"):
        push(run, str(tmp_path / "a.zip"))


@pytest.mark.parametrize(
    "licence",
    ["CC BY-NC-ND 4.0", "cc-by-nd-4.0", "Attribution-NoDerivatives", "proprietary, internal use"],
)
def test_a_licence_that_forbids_sharing_is_respected(run, tmp_path, licence):
    set_licence(run, licence)
    with pytest.raises(WriteError, match="forbids sharing"):
        push(run, str(tmp_path / "a.zip"))
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        ("Apache-2.0", "Apache-2.0"),
        ("DINOv3 License (https://example.org)", "DINOv3 License (https://example.org)"),
        ("CC BY-NC 4.0", "CC BY-NC 4.0"),
        ("see the model's own card", "not known; check"),
        ("", "not known; check"),
    ],
)
def test_any_other_licence_is_told(run, licence, told, capsys):
    set_licence(run, licence)
    (run / "README.md").write_text("# toy\n")
    refuse_licence(run)
    assert f"licence of the base: {told}" in capsys.readouterr().err


def test_a_run_without_an_adapter_states_its_licence_in_the_card(run):
    shutil.rmtree(run / "adapter")
    (run / "README.md").write_text("---\nlicense: cc-by-nd-4.0\n---\n# toy\n")
    assert base_licence(run) == "cc-by-nd-4.0"


def test_folders_of_this_machine_stay_out(run, hub, capsys):
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    recipe["data"] |= {"folder": "/data/client/survey.zarr", "also": [r"C:\Data\b.sgy", "c/d.sgy"]}
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    write_manifest(run)
    with (run / "README.md").open("a") as card:
        card.write("- folder: /data/client/survey.zarr\n")
    push(run, "tester/toy")
    files = hub.latest("tester/toy")
    shared = yaml.safe_load(files["recipe.yaml"])["data"]
    assert shared["folder"] == "survey.zarr"
    assert shared["also"] == ["b.sgy", "c/d.sgy"]
    assert not [name for name, data in files.items() if b"client" in data]
    assert "data.folder is shared as 'survey.zarr'" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["/home/ann/data", "/Users/ann", r"C:\Users\ann\x", "{run}/x"])
def test_a_card_that_names_a_folder_of_this_machine_is_refused(run, tmp_path, folder):
    with (run / "README.md").open("a") as card:
        card.write(f"\nMade from {folder.format(run=run)}.\n")
    with pytest.raises(WriteError, match="a place on this machine"):
        push(run, str(tmp_path / "a.zip"))
    assert not (tmp_path / "a.zip").exists()


def test_an_adapter_that_names_a_file_of_this_machine_is_refused(run, tmp_path):
    path = run / "adapter" / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": "/data/model"}
    path.write_text(json.dumps(config))
    write_manifest(run)
    with pytest.raises(WriteError, match=r"adapter_config\.json of .* it names '/data/model'"):
        push(run, str(tmp_path / "a.zip"))


def test_an_archive_is_replaced_only_with_force(run, tmp_path):
    target = str(tmp_path / "a.zip")
    first = push(run, target)
    with pytest.raises(scionwood.OutputExistsError):
        push(run, target)
    assert push(run, target, force=True) == first  # equal files, equal bytes
