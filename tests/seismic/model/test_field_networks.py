"""What the field networks guarantee: scale, mask, any size, few weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from case_table import table

from scionwood import RecipeError
from scionwood_seismic.backbones import conv_unet, dinov3_unet, field_unet, station_unet
from scionwood_seismic.model.station_unet import StationUNet

Build = Callable[..., Any]
BOTH = pytest.mark.parametrize("build", [field_unet, station_unet], ids=["field", "station"])


def trained(build: Build) -> Any:
    """Return a network whose output is far from its input, as after training."""
    network = build().eval().requires_grad_(False)
    network.out.weight.mul_(20)
    return network


def record(*shape: int) -> torch.Tensor:
    return torch.randn(2, 1, *shape, generator=torch.Generator().manual_seed(0))


@BOTH
@table("factor", [1e-6, 0.3, 4e5])
def test_the_output_scales_with_the_input(build, factor):
    network, x = trained(build), record(3, 96)
    expected = network(x)
    assert (expected - x).abs().max() > 0.01
    torch.testing.assert_close(network(factor * x) / factor, expected, rtol=1e-3, atol=1e-4)


def test_a_told_level_scales_with_the_input_and_changes_the_result():
    network, x, level = trained(field_unet), record(20, 48), torch.tensor([0.2, 2.0])
    told = network(x, level=level)
    torch.testing.assert_close(network(10 * x, level=10 * level) / 10, told, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(told, network(x), atol=1e-3)
    torch.testing.assert_close(network(x, level=0 * level), network(x))


@BOTH
@table("shape", [(1, 33), (2, 100), (3, 300)])
def test_records_of_any_size_come_back(build, shape):
    x = record(*shape)
    network = trained(build)
    y = network(x)
    assert y.shape == x.shape
    assert y.isfinite().all()
    assert not network(0 * x).any(), "a silent record stays silent"


def test_masked_traces_stay_zero_and_equal_absent_ones():
    network, x = trained(field_unet), record(32, 64)
    mask = torch.zeros_like(x)
    mask[:, :, :5] = 1
    y = network(x * mask, mask)
    assert not y[:, :, 5:].any()
    # Five traces alone are filled up with 11 absent ones.
    network, x = network.double(), x.double()
    few = torch.zeros(2, 1, 16, 64).double()
    few[:, :, :5] = x[:, :, :5]
    expected = network(few, (few != 0).double())[:, :, :5]
    torch.testing.assert_close(network(x[:, :, :5]), expected)


@table("build", [dinov3_unet, conv_unet, station_unet, field_unet])
def test_every_network_takes_the_same_call(build):
    network, x = build().eval(), record(3, 64)
    mask = torch.ones_like(x)
    mask[:, :, 2:] = 0
    with torch.no_grad():
        y = network(x * mask, mask, torch.tensor([0.1, 0.0]))
    assert y.shape == x.shape
    assert not y[:, :, 2:].any()


@table("samples", [64, 500, 1025])
def test_the_transform_of_the_station_network_is_inverted_exactly(samples):
    network = StationUNet()
    x = torch.randn(2, 3, samples, generator=torch.Generator().manual_seed(1))
    real, imaginary = network._transform(x, samples)
    torch.testing.assert_close(network._inverse(real, imaginary, samples), x, atol=1e-5, rtol=0)


def test_a_fourth_component_of_a_station_comes_back_as_it_is():
    x = record(5, 200)
    y = trained(station_unet)(x)
    assert torch.equal(y[:, :, 3:], x[:, :, 3:])
    assert not torch.equal(y[:, :, :3], x[:, :, :3])


def test_a_decoder_without_common_mode_does_not_look_at_the_median():
    with torch.no_grad():
        x = torch.ones(1, 1, 32, 32) * torch.sin(torch.arange(32.0))
        models = {flag: dinov3_unet(common_mode=flag).eval() for flag in (True, False)}
        assert models[True].decoder.stem.in_channels == 2 * models[False].decoder.stem.in_channels
        assert models[False](x).shape == x.shape


def test_neighbours_change_nothing_before_they_are_trained():
    plain, sees, x = field_unet(), field_unet(neighbours=1), record(20, 50)
    beside = torch.randn(2, 2, 20, 50, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(sees(x, None, None, beside), plain(x))
    sees.beside.weight.data.normal_(std=0.1, generator=torch.Generator().manual_seed(2))
    seen = sees(x, None, None, beside)
    assert (seen - plain(x)).abs().max() > 1e-4
    torch.testing.assert_close(sees(3 * x, None, None, 3 * beside) / 3, seen)
    torch.testing.assert_close(sees(x), sees(x, None, None, x.expand(-1, 2, -1, -1)))
    for neighbours in (-1, 4):
        with pytest.raises(RecipeError, match="0 to 3 neighbours"):
            field_unet(neighbours=neighbours)
