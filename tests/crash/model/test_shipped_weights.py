"""The shipped network predicts a part that it has not seen."""

from __future__ import annotations

import torch

from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoder
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.metrics import measure
from scionwood_crash.model import SIZES


@torch.no_grad()
def test_the_shipped_network_predicts_a_new_tube() -> None:
    model = MaskMorphUNet(size="small", weights="shipped").eval()
    data = SuiteParts(families=["tube"], n_train=1, n_val=0, n_test=0, element_size=15.0, seed=9)
    encoded = Encoder(SIZES["small"]).encode(data.parts("train")[0])
    errors = measure(model(*encoded.graph), encoded.displacement, encoded.graph)
    assert float(errors["med_share"]) < 5, "percent of the maximum intrusion"
    assert float(errors["intrusion_error"]) < 15, "percent"
    assert float(model.novelty.of(encoded.graph)) < 1.5 * float(model.novelty.limit)
