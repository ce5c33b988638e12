"""Models that predict a scaled change: their start, inputs, tiles, projection and caps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from case_table import table
from safetensors.torch import save_file
from torch import Tensor

from scionwood import RecipeError, WeightsError
from scionwood_pde.backbones import (
    BilinearForecast,
    FNOForecast,
    MixedForecast,
    SpectralForecast,
    TFNOForecast,
    UNetForecast,
)
from scionwood_pde.model.forecast import Forecast
from scionwood_pde.model.fourier import FNO, to_neuraloperator
from scionwood_pde.model.spectra import capped, energy, without_divergence

Make = Callable[..., Forecast]
FNO_SMALL: dict[str, Any] = {"modes": 6, "width": 6, "layers": 2}
MODELS: list[tuple[Make, dict[str, Any]]] = [
    (BilinearForecast, {"width": 4, "stencil": 3}),
    (UNetForecast, {"width": 4}),
    (FNOForecast, FNO_SMALL),
    (TFNOForecast, FNO_SMALL),
    (SpectralForecast, {"width": 4, "stencil": 3}),
    (MixedForecast, {"width": 2}),
]
TILED = [pair for pair in MODELS if pair[0] is not SpectralForecast]


def moved(model: Forecast) -> Forecast:
    """Move all weights from their initial values."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model.eval()


def frames(fields: int, *sides: int) -> Tensor:
    return torch.randn(1, fields, *sides, generator=torch.Generator().manual_seed(0))


@table(("make", "options"), MODELS, ids=[m.__name__ for m, _ in MODELS])
@torch.no_grad()
def test_predicts_no_change_before_training_and_a_solenoidal_one_after(make, options):
    model = make(fields=4, solenoidal=[2, 1, 3], forced_axis="y", forced_mode=2, **options)
    x = frames(4, 16, 16, 16)
    assert torch.equal(model(x), x)
    model.scales.std.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    model.scales.change.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    change = (moved(model)(x) - x) * model.scales.std.view(-1, 1, 1, 1)
    vector = change[:, [2, 1, 3]]
    assert vector.abs().max() > 1e-4
    torch.testing.assert_close(without_divergence(vector), vector, rtol=1e-3, atol=1e-5)


@table(("make", "options"), MODELS[:5], ids=[m.__name__ for m, _ in MODELS[:5]])
@table("dims", [1, 2])
@torch.no_grad()
def test_fewer_dimensions_history_and_conditions(make, options, dims):
    names = ["dt", "viscosity"]
    model = moved(make(fields=2, dims=dims, history=3, conditions=names, **options))
    x, numbers = frames(6, *(16,) * dims), torch.tensor([[0.1, 2.0]])
    assert model(x, numbers).shape == (1, 2, *(16,) * dims)
    assert not torch.equal(model(x, numbers), model(x, 2 * numbers))
    with pytest.raises(ValueError, match="0 conditions: this model was built for dt, viscosity"):
        model(x)
    with pytest.raises(ValueError, match="a state of 2 fields: this model was built for 6"):
        model(x[:, :2], numbers)


@torch.no_grad()
def test_bilinear_stencils_move_with_a_periodic_state():
    model = moved(BilinearForecast(fields=3, width=3, stencil=3, solenoidal=[0, 1, 2]))
    x = frames(3, 16, 16, 16)
    torch.testing.assert_close(model(x).roll(5, 2), model(x.roll(5, 2)), rtol=1e-4, atol=1e-5)


def test_bilinear_stencils_contain_convection():
    """The product of a field with the central difference of another is one product of stencils."""
    model = BilinearForecast(fields=1, dims=1, width=1, stencil=3)
    layer: Any = model.network.products
    with torch.no_grad():
        layer.stencil.weight[:] = torch.tensor([[[0.0, 1.0, 0.0]], [[-0.5, 0.0, 0.5]]])
        layer.stencil.bias.zero_()
        layer.out.weight.fill_(-1.0)
    u = frames(1, 32)
    convection = -u * (u.roll(-1, 2) - u.roll(1, 2)) / 2
    torch.testing.assert_close(model(u) - u, convection, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_tiles_with_a_wide_halo_equal_the_whole_domain():
    options: dict[str, Any] = {"fields": 2, "dims": 2, "width": 3, "stencil": 5}
    whole = moved(BilinearForecast(**options))
    tiled = BilinearForecast(**options, tile=48, halo=16, at_once=3)
    tiled.load_state_dict(whole.state_dict())
    x = frames(2, 64, 48)
    torch.testing.assert_close(tiled(x), whole(x), rtol=1e-5, atol=1e-6)


def test_measures_the_scales_of_the_training_data():
    model = BilinearForecast(fields=2, dims=1, history=2, conditions=["dt"])
    states = torch.randn(8, 4, 16)
    batch = {
        "state": states,
        "next": states[:, 2:] + torch.tensor([0.5, 2.0])[:, None],
        "conditions": torch.tensor([[0.1], [0.3]] * 4),
    }
    model.measure([batch, batch], [3.0, 4.0])
    assert model.scales.change.tolist() == pytest.approx([0.5, 2.0], rel=1e-5)
    assert model.scales.std.tolist() == [3, 4]
    assert model.scales.mean_condition.item() == pytest.approx(0.2)
    assert model.scales.std_condition.item() == pytest.approx(0.1)
    x = states[:1, 2:]
    assert torch.equal(model.limited(x), x)


@table(("make", "options"), TILED, ids=[m.__name__ for m, _ in TILED])
@table("tile", [None, 16])
@table("boundary", ["edge", "periodic"])
def test_a_rollout_of_any_network_is_held_to_the_energy_of_its_training(
    make, options, tile, boundary
):
    model = make(fields=1, **options, tile=tile, boundary=boundary)
    states = torch.randn(3, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    model.measure([{"state": states, "next": states}])
    assert torch.equal(model.limited(states), states)
    torch.testing.assert_close(
        energy(model.limited(100 * states)),
        (1.2 * energy(states).amax(0)).expand(3, -1, -1),
        rtol=1e-3,
        atol=1e-8,
    )
    larger = 3 * states.repeat(1, 1, 2, 1, 1)  # another box, whose shells hold other waves
    assert torch.equal(model.limited(larger), larger)


@table(
    ("options", "message"),
    [
        ({"history": 5}, "history 5: 1 to 4 frames"),
        ({"solenoidal": [0, 1]}, "a vector has one field for each of 3 axes"),
        ({"solenoidal": [0, 1, 7]}, "fields 0 to 2"),
        ({"dims": 2, "forced_axis": "z"}, "forced_axis z"),
        ({"solenoidal": [0, 1, 2], "boundary": "edge"}, "needs a periodic box"),
    ],
    ids=["history", "components", "positions", "axis", "boundary"],
)
def test_refuses_options_that_do_not_fit(options, message):
    with pytest.raises(RecipeError, match=message):
        BilinearForecast(**options)


@table("rank", [None, 0.2], ids=["dense", "tucker"])
@table("sides", [(16,), (8, 12), (8, 6, 10)], ids=["1d", "2d", "3d"])
@torch.no_grad()
def test_fourier_operators_equal_those_of_neuraloperator(rank, sides):
    models = pytest.importorskip("neuralop.models", reason="neuraloperator is not installed")
    modes = (8, 6, 8)[: len(sides)]
    tucker = {} if rank is None else {"factorization": "Tucker", "rank": rank}
    theirs = models.FNO(
        n_modes=modes, in_channels=3, out_channels=2, hidden_channels=6, n_layers=2, **tucker
    )
    ours = FNO(3, 2, modes=modes, width=6, layers=2, rank=rank, grid=True)
    state = theirs.state_dict()
    ours.load_state_dict({name: state[to_neuraloperator(name)] for name in ours.state_dict()})
    x = frames(3, *sides)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_loads_weights_with_the_names_of_neuraloperator(tmp_path):
    options: dict[str, Any] = {"fields": 2, "dims": 2, **FNO_SMALL, "target": "state"}
    made = moved(FNOForecast(**options))
    state = {to_neuraloperator(n): v.contiguous() for n, v in made.network.state_dict().items()}
    assert "fno_blocks.convs.0.weight.tensor" in state
    save_file(state, tmp_path / "fno.safetensors")
    loaded = FNOForecast(**options, weights=tmp_path / "fno.safetensors")
    x = frames(2, 16, 16)
    assert torch.equal(loaded(x), made(x))
    with pytest.raises(WeightsError, match=r"fno\.safetensors"):
        FNOForecast(**{**options, "modes": 8}, weights=tmp_path / "fno.safetensors")


def test_a_box_may_have_different_sides():
    field = torch.randn(1, 2, 12, 30, dtype=torch.float64)
    projected = without_divergence(field)
    spectrum = torch.fft.fftn(projected, dim=(2, 3))
    kx, ky = (torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) / n for n in (12, 30))
    kx[6], ky[15] = 0, 0
    divergence = spectrum[:, 0] * kx[:, None] + spectrum[:, 1] * ky
    assert divergence.abs().max() < 1e-12
    torch.testing.assert_close(without_divergence(projected), projected, rtol=0, atol=1e-13)


def test_a_cap_lowers_only_the_shells_above_it():
    field = torch.randn(1, 2, 16, 16, 16, dtype=torch.float64)
    before = energy(field)
    cap = 2 * before[0]
    assert capped(field, cap) is field
    cap[0, 4], cap[1, 2] = before[0, 0, 4] / 9, 0.0  # zero stands for no cap
    after = energy(capped(field, cap))
    wanted = before.clone()
    wanted[0, 0, 4] = cap[0, 4]
    torch.testing.assert_close(after, wanted, rtol=1e-10, atol=1e-14)
