"""A run that the tests of several commands share."""

from __future__ import annotations

import pytest
from plain_figures import undrawn

from scionwood.cli import main


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a run of one step."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    small = ["--smoke", "--trainer.max_steps", "1", "--trainer.accelerator", "cpu"]
    with undrawn():
        assert main(["fit", "bangla/dpo_register", "--run", str(folder), *small]) == 0
    return folder
