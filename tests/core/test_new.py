"""`scionwood new` writes a plugin that works. `test_docs.py` installs one and runs its checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from case_table import table

from scionwood import OutputExistsError, PluginError, cli
from scionwood_kit import new


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def at(folder: Path) -> dict[str, Any]:
    return {"cwd": folder, "PYTHONPATH": str(folder / "hydrology")}


@pytest.mark.slow
def test_the_rendered_command_and_api_predict(tmp_path):
    installed(new("hydrology", tmp_path))
    (tmp_path / "a.csv").write_text("time [h],forcing [mm/h],response [mm/h]\n0,5.0,0\n1,0.0,0\n")
    code = """if True:
        import numpy as np
        from scionwood.cli import main
        assert main(["fit", "hydrology/reservoir", "--smoke", "--run", "run"]) == 0
        assert main(["hydrology", "predict", "a.csv", "b.csv", "--run", "run"]) == 0
        from scionwood_hydrology.verbs import respond_to
        print(*map(float, respond_to(np.array([5.0, 0.0]), "run")), sep="\\n")
    """
    done = run("-c", code, **at(tmp_path))
    assert done.returncode == 0, done.stderr
    header, *rows = (tmp_path / "b.csv").read_text().splitlines()
    assert header == "time [h],forcing [mm/h],response [mm/h]"
    assert [row.rpartition(",")[0] for row in rows] == ["0.0,5.0", "1.0,0.0"]
    assert done.stdout.split()[-2:] == [row.rpartition(",")[2] for row in rows]


def without_reader(folder: Path, package: Path) -> None:
    """Delete what the README of the template names, and nothing else."""
    told = (folder / "README.md").read_text("utf-8")
    (told,) = [text for text in told.split("\n\n") if text.startswith("Your field has no file")]
    words = re.findall(r"`([^`]+)`", told)
    for name in words:
        if name.endswith(".py") and name != "__init__.py":
            (package / name).unlink()
    keys = tuple(name for name in words if name.endswith("="))
    record = package / "__init__.py"
    lines = record.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.strip().startswith(keys)]
    assert len(lines) - len(kept) == len(keys) == 2
    record.write_text("".join(kept), "utf-8")


def installed(folder: Path) -> Path:
    """Give a rendered plugin the metadata that pip writes, and return its package."""
    package = next(folder.glob("scionwood_*"))
    info = folder / f"{package.name}-0.1.0.dist-info"
    info.mkdir()
    name = package.name.removeprefix("scionwood_")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: scionwood-{name}\nVersion: 0\n")
    entry = f"[scionwood.plugins]\n{name} = {package.name}:plugin\n"
    (info / "entry_points.txt").write_text(entry)
    return package


def test_without_the_reader_the_record_and_the_modules_are_whole(tmp_path):
    package = installed(new("hydrology", tmp_path))
    without_reader(package.parent, package)
    left = sorted(path.name for path in package.glob("*.py"))
    assert left == ["__init__.py", "backbones.py", "data.py", "tasks.py"]
    assert not [path for path in package.glob("*.py") if "readers" in path.read_text("utf-8")]
    linted = run("-m", "ruff", "check", "--no-cache", ".", cwd=package.parent)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.slow
def test_without_the_reader_every_check_still_passes(tmp_path):
    package = installed(new("hydrology", tmp_path))
    without_reader(package.parent, package)
    done = run("-m", "scionwood.cli", "check", "hydrology", **at(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n- check_readers_rewrite" in done.stdout
    assert "advice (" not in done.stdout


@pytest.mark.parametrize("name", ["hydrology", "my_optics"])
def test_a_rendered_plugin_is_clean_code_with_its_own_name(tmp_path, name):
    folder = new(name, tmp_path)
    package = f"scionwood_{name}"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        ".gitignore",
        "README.md",
        "pyproject.toml",
        f"{package}/__init__.py",
        f"{package}/backbones.py",
        f"{package}/data.py",
        f"{package}/py.typed",
        f"{package}/readers.py",
        f"{package}/recipes/reservoir.yaml",
        f"{package}/tasks.py",
        f"{package}/verbs.py",
        "tests/test_conformance.py",
    ]
    text = "".join(p.read_text() for p in folder.rglob("*") if p.is_file())
    assert "$" not in text
    assert (name == "hydrology") == ("hydrology" in text)
    for command in (["check"], ["format", "--check"]):
        linted = run("-m", "ruff", *command, "--no-cache", ".", cwd=folder)
        assert linted.returncode == 0, linted.stdout


@table("name", ["Hydrology", "my-optics", "2d", "a__b", "", "../up", "class"])
def test_refuses_a_name_that_is_not_snake_case(tmp_path, name):
    with pytest.raises(PluginError, match=r"snake_case.*Such as hydrology"):
        new(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_refuses_the_name_of_a_plugin(tmp_path):
    for name in ("toy", "seismic"):  # installed for these tests; offered by the core's extras
        with pytest.raises(PluginError, match=f"'{name}': a plugin has this name"):
            new(name, tmp_path)


def test_refuses_the_name_of_a_command(tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    commands = re.findall(r"^    (\w+) {2,}\S", shown, re.M)
    assert {"fit", "map", "runs", "sign"} < set(commands)
    for name in commands:
        with pytest.raises(PluginError, match="it is a command of scionwood"):
            new(name, tmp_path)


def test_leaves_an_existing_folder_unchanged(tmp_path):
    (tmp_path / "hydrology").mkdir()
    with pytest.raises(OutputExistsError, match="the folder of a new plugin must not exist"):
        new("hydrology", tmp_path)
    assert list((tmp_path / "hydrology").iterdir()) == []


def test_a_failure_leaves_no_file(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="no space"):
        new("hydrology", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rendering_imports_nothing_heavy(tmp_path):
    code = "import sys; from pathlib import Path; from scionwood_kit import new; "
    code += "new('hydrology', Path()); print(sorted({'torch', 'numpy', 'peft'} & set(sys.modules)))"
    assert run("-c", code, cwd=tmp_path).stdout.strip() == "[]"
