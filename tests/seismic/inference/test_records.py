"""Records are denoised with the sampling that they have, and in the wanted arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scionwood import Record
from scionwood_seismic.backbones import conv_unet, field_unet
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.precision import InBfloat16, choose_precision
from scionwood_seismic.inference.records import Denoiser
from scionwood_seismic.inference.reports import Report

CPU = torch.device("cpu")


def record(dt: float) -> Record:
    """Flat events in noise."""
    time = np.arange(160)
    events = sum(np.exp(-(((time - at) / 4) ** 2)) for at in (30, 80, 120))
    data = (events + 0.2 * np.random.default_rng(0).standard_normal((12, 160))).astype(np.float32)
    return Record({"group": 0}, data, {"trace": np.arange(12), "time": dt * time})


def test_each_record_has_its_own_interval():
    """Traces of one miniSEED file may have several."""
    seen: list[Report] = []
    denoiser = Denoiser(
        field_unet(),
        dt=0.004,
        dx=10.0,
        identity={},
        on_report=lambda _, report: seen.append(report),
    )
    for dt in (0.004, 0.002):
        denoiser(record(dt))
    assert seen[0].period == pytest.approx(2 * seen[1].period)
    assert seen[0].aliased == pytest.approx(2 * 10.0 / seen[0].period)


def test_a_network_in_bfloat16_differs_by_little():
    torch.manual_seed(0)
    model = field_unet()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    wide, narrow = (
        Denoiser(model, dt=0.004, options=DenoiseOptions(precision=name), identity={})(
            record(0.004)
        )
        for name in ("float32", "bfloat16")
    )
    assert narrow.dtype == np.float32
    assert 0 < np.abs(wide - narrow).max() < 0.02 * np.abs(wide).max()


def test_auto_is_bfloat16_only_where_it_was_tried(monkeypatch):
    for known in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: {"amx_bf16": known})
        assert choose_precision("auto", field_unet(), CPU) == ("bfloat16" if known else "float32")
        assert choose_precision("auto", conv_unet(), CPU) == "float32"
        assert choose_precision("bfloat16", conv_unet(), CPU) == "bfloat16"
    output = InBfloat16(field_unet())(
        torch.zeros(1, 1, 16, 48), torch.ones(1, 1, 16, 48), torch.zeros(1)
    )
    assert output.dtype == torch.float32
