"""The table of docs/zoo.md is what the models of other people do today."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ZOO = Path(__file__).parent
TESTED = "timm,torchvision,transformers,torch-geometric"
EXTRA = {
    "neuraloperator": "neuralop",
    "monai": "monai",
    "segmentation-models-pytorch": "segmentation_models_pytorch",
    "diffusers": "diffusers",
}


def check(packages: str) -> None:
    """Run the models of some packages in a process of their own, and compare with the page."""
    command = [sys.executable, str(ZOO), "--check", "--packages", packages]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.slow
def test_the_models_of_the_test_environment_do_what_the_page_says():
    check(TESTED)


@pytest.mark.slow
@pytest.mark.parametrize("package", EXTRA)
def test_the_models_of_the_zoo_extra_do_what_the_page_says(package):
    if not find_spec(EXTRA[package]):
        pytest.skip(f"{package} is not installed: make test-zoo installs it")
    check(package)
