from __future__ import annotations

import contextlib
import io
import logging

import pytest
import torch
import yaml
from plain_figures import undrawn

from scionwood import attach, resolve
from scionwood.cli import main
from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.data.phantoms import Phantoms
from scionwood_biomed.evaluation.methods import Shots, train
from scionwood_biomed.model.tiny import write_tiny
from scionwood_biomed.tasks.few_shot import FewShot

from .scans import PATIENTS, write_cohort


@pytest.fixture(scope="session")
def biomedclip(tmp_path_factory):
    """A folder with a small random model that has the architecture of BiomedCLIP."""
    folder = tmp_path_factory.mktemp("biomedclip")
    write_tiny(folder)
    return folder


@pytest.fixture
def images():
    return torch.rand(32, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def tokens():
    """The tokens of the prompts of five classes."""
    classes = ("cyst", "lesion", "liver", "tissue", "tumour")
    return ClipBackbone().tokenize([f"a photo of a {name}" for name in classes])


@pytest.fixture(scope="session")
def trained():
    """The task after 50 steps on two shots per class, and the shots."""
    data = Phantoms(subjects=24, images=2, shots=2)
    image, label = (torch.stack(x) for x in zip(*_pairs(data), strict=True))
    shots = Shots(image, label, data.names())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = attach(ClipBackbone(), DualAnchorConfig(), targets="dual")
        task = FewShot(model).train()
        train(task, shots, 50, lr=1e-2)
    return task.eval(), shots


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("hospital"), PATIENTS)


@pytest.fixture(scope="session")
def run(cohort, tmp_path_factory):
    """The folder of a run of two steps, and everything that it printed."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    recipe = yaml.safe_load(resolve("biomed/few_shot", []).dump())
    recipe["data"] = {"name": "biomed/images", "source": str(cohort), "size": 64, "shots": 2}
    recipe["data"]["window"] = "soft_tissue"
    recipe["trainer"] = {"max_steps": 2, "accelerator": "cpu"}
    recipe.pop("smoke", None)
    path = folder.parent / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    names = ("", "scionwood", "lightning", "lightning.pytorch", "lightning.fabric")
    for name in names:
        logging.getLogger(name).addHandler(handler)
    try:
        said = contextlib.redirect_stdout(output), contextlib.redirect_stderr(output)
        with said[0], said[1], undrawn():
            assert main(["fit", str(path), "--run", str(folder)]) == 0
    finally:
        for name in names:
            logging.getLogger(name).removeHandler(handler)
    return folder, output.getvalue()


def _pairs(data):
    names = data.names()
    for item in data.splits()["train"]:
        yield data.tensor(item), torch.tensor(names.index(item.label))
