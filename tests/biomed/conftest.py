from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scionwood import attach
from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.backbones import clip
from scionwood_biomed.data.images import Phantoms
from scionwood_biomed.evaluation.methods import Shots, train
from scionwood_biomed.evaluation.settings import DEFAULTS
from scionwood_biomed.model.tiny import write_tiny
from scionwood_biomed.tasks.few_shot import FewShot


@pytest.fixture(scope="session")
def biomedclip(tmp_path_factory):
    """A folder with a small random model of BiomedCLIP's shape."""
    folder = tmp_path_factory.mktemp("biomedclip")
    write_tiny(folder)
    return folder


@pytest.fixture
def images():
    return torch.rand(32, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def tokens():
    """Of five classes."""
    classes = ("cyst", "lesion", "liver", "tissue", "tumour")
    return clip().tokenize([f"a photo of a {name}" for name in classes])


@pytest.fixture(scope="session")
def trained():
    """The task after 50 steps on two shots of each class."""
    data = Phantoms(subjects=24, images=2, shots=2)
    image, label = (torch.stack(x) for x in zip(*_pairs(data), strict=True))
    shots = Shots(image, label, data.names())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = attach(clip(), DualAnchorConfig(), targets="dual")
        task = FewShot(model).train()
        settings = replace(DEFAULTS, steps=50, batch_size=8, lr=1e-2)
        train(model, lambda batch, _: task.losses(batch)["loss"], shots, settings)
    return task.eval(), shots


def _pairs(data):
    names = data.names()
    for item in data.splits()["train"]:
        yield data.tensor(item), torch.tensor(names.index(item.label))
