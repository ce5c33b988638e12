"""Verify the file of ICLabel with the network of its package, mne-icalabel."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from scionwood.authoring import load_tensors


def labels(path: Path) -> Tensor:
    """Return the classes of two fixed components, which verify the file.

    Args:
        path: ICLabelNet.pt.

    Raises:
        ImportError: mne-icalabel or mne is not installed.
    """
    from mne_icalabel.iclabel.network.torch import ICLabelNet

    network = ICLabelNet()
    network.load_state_dict(load_tensors(path), strict=True)
    shapes = ((8, 1, 32, 32), (8, 1, 1, 100), (8, 1, 1, 100))
    inputs = [torch.linspace(0, 9, torch.Size(shape).numel()).sin().view(shape) for shape in shapes]
    answer: Tensor = network.eval()(*inputs)
    return answer
