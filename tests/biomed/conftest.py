from __future__ import annotations

import pytest
import torch

from scionwood_biomed.clip.tiny import write_tiny


@pytest.fixture(scope="session")
def biomedclip(tmp_path_factory):
    """A folder with a small random model of BiomedCLIP's shape."""
    folder = tmp_path_factory.mktemp("biomedclip")
    write_tiny(folder)
    return folder


@pytest.fixture
def images():
    return torch.rand(32, 3, 64, 64, generator=torch.Generator().manual_seed(0))
