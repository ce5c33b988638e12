"""The oldest and the newest versions that can be had here: install, train and denoise with them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["-e", str(ROOT), "-e", str(ROOT / "plugins" / "seismic")]

UV = [sys.executable, "-m", "uv"]

# A package index for uv where pip has one of its own.
INDEX = {"UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", ""), "UV_LINK_MODE": "copy"}


def newest_python() -> str:
    """Return the newest Python on this machine that the projects name."""
    classifiers = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    for version in sorted(set(classifiers), key=lambda v: int(v[2:]), reverse=True):
        for candidate in (shutil.which(f"python{version}"), *_pyenv(version)):
            if candidate and _runs(candidate):
                return str(candidate)
    pytest.fail("no Python that the projects name can be started")


def _pyenv(version: str) -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [str(path) for path in sorted(root.glob(f"versions/{version}.*/bin/python"))]


def _runs(python: str) -> bool:
    command = [python, "-c", "import ssl, sqlite3, venv"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def install(folder: Path, python: str, *options: str) -> Path:
    """Install the core and the seismic plugin by uv, and return the folder of the commands."""
    environment = {**os.environ, **INDEX}
    subprocess.run([*UV, "venv", "-q", "--python", python, folder], check=True, env=environment)
    command = [*UV, "pip", "install", "-q", "-p", folder / "bin" / "python", *options, *PACKAGES]
    subprocess.run(command, check=True, env=environment)
    return folder / "bin"


def train_and_denoise(commands: Path, folder: Path) -> None:
    """Train a few steps, then use the run that the plugin ships."""
    lines = (
        "plugins --doctor",
        "fit seismic/denoise --smoke --run run",
        "test run",
        "seismic simulate noisy.sgy clean.sgy --n 2",
        "seismic denoise noisy.sgy denoised.sgy",
    )
    for line in lines:
        subprocess.run([commands / "scionwood", *line.split()], check=True, cwd=folder)
    assert (folder / "denoised.sgy").stat().st_size == (folder / "noisy.sgy").stat().st_size


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_lowest_bounds_install_train_and_denoise(tmp_path):
    commands = install(tmp_path / "env", sys.executable, "--resolution", "lowest-direct")
    code = "import torch, peft; print(torch.__version__, peft.__version__)"
    shown = subprocess.run([commands / "python", "-c", code], capture_output=True, text=True)
    torch, peft = shown.stdout.split()
    bounds = dict(re.findall(r'"(torch|peft)>=([\d.]+)', (ROOT / "pyproject.toml").read_text()))
    assert torch.startswith(bounds["torch"])
    assert peft.startswith(bounds["peft"])
    train_and_denoise(commands, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_newest_python_and_torch_install_train_and_denoise(tmp_path):
    python = newest_python()
    commands = install(tmp_path / "env", python, "--upgrade")
    train_and_denoise(commands, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_uv_installs_the_workspace_of_a_clone(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | INDEX
    subprocess.run([*UV, "sync", "-q", "--all-packages"], check=True, cwd=clone, env=environment)
    run = subprocess.run(
        [clone / ".venv" / "bin" / "scionwood", "plugins"], capture_output=True, text=True
    )
    assert all(path.name in run.stdout for path in (ROOT / "plugins").iterdir() if path.is_dir())
