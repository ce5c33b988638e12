"""The autoencoder: published tensors and values, shapes, fields, gradients and latents."""

from __future__ import annotations

import pytest
import torch
from case_table import table
from torch import Tensor, nn

from scionwood_pde.backbones import Tadpole
from scionwood_pde.model import SIZES, Gaussian, SizeName
from scionwood_pde.model.decoder import Decoder
from scionwood_pde.model.encoder import Encoder


def parts(size: SizeName) -> nn.ModuleDict:
    with torch.device("meta"):
        return nn.ModuleDict({"encoder": Encoder(SIZES[size]), "decoder": Decoder(SIZES[size])})


def cube(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@table(
    ("size", "widths", "encoder", "both"),
    [
        ("tiny", (32, 16, 16, 2), 854_140, 2_220_309),
        ("S", (64, 32, 32, 4), 3_357_432, 8_783_913),
        ("B", (128, 64, 128, 4), 14_995_736, 38_068_329),
        ("L", (256, 128, 256, 8), 59_879_984, 152_105_169),
    ],
)
def test_every_tensor_has_its_published_name_and_shape(size, widths, encoder, both, published):
    built, expected = parts(size), published(*widths)
    assert sum(p.numel() for p in built["encoder"].parameters()) == encoder
    assert sum(p.numel() for p in built.parameters()) == both
    for part, count in (("encoder", 122), ("decoder", 94)):
        state = built[part].state_dict()
        shapes = {name: tuple(x.shape) for name, x in state.items()}
        assert shapes == expected[part]
        assert len(shapes) == count
        whole = {name for name, x in state.items() if not x.is_floating_point()}
        assert all(name.endswith("relative_position_index") for name in whole)


def test_outputs_equal_those_of_the_published_code(seeded, fill):
    """The values were recorded from the authors' code, with weights and input set by names."""
    encoder, decoder = Encoder(SIZES["S"]).eval(), Decoder(SIZES["S"]).eval()
    fill(encoder, "encoder")
    fill(decoder, "decoder")
    with torch.no_grad():
        mean, logvar = encoder(seeded("input.(48, 32, 16)", (2, 1, 48, 32, 16)))
        output = decoder(mean)
    for tensor, values in (
        (mean[1, ::64, 2, 1, 0], [-3.903708, -1.114462, -1.788429, -0.772006]),
        (logvar[1, ::64, 0, 1, 0], [-1.406032, -2.848759, 3.437379, -0.439182]),
        (output[1, 0, ::12, 17, 5], [2.100546, -0.729062, 2.089549, 5.298988]),
    ):
        torch.testing.assert_close(tensor, torch.tensor(values), rtol=1e-5, atol=3e-5)
    for tensor, norm in ((mean, 102.8407327), (logvar, 96.3863752), (output, 313.1767262)):
        assert tensor.double().norm().item() == pytest.approx(norm, rel=1e-5)


@table("sides", [(16, 16, 16), (32, 16, 20), (17, 31, 16)])
def test_output_sides_equal_input_sides(sides):
    model, x = Tadpole().eval(), cube(2, 1, *sides)
    with torch.no_grad():
        assert model(x).shape == x.shape
        cells = [-(-side // 16) for side in sides]
        assert model.encode(x).mean.shape == (2, 128, *cells)


def test_each_field_of_a_state_is_encoded_separately():
    model, x = Tadpole().eval(), cube(2, 3, 16, 16, 16)
    with torch.no_grad():
        together = model(x)
        latents = model.encode(x).mean
        for field in range(3):
            one = x[:, field : field + 1]
            torch.testing.assert_close(together[:, field : field + 1], model(one))
            torch.testing.assert_close(latents.chunk(3, dim=1)[field], model.encode(one).mean)


def test_a_posterior_has_its_divergence_and_samples_of_its_mean_and_variance():
    zero, one = torch.zeros(1, 2, 1, 1, 1), torch.ones(1, 2, 1, 1, 1)
    assert not Gaussian(zero, zero).kl().any()
    expected = 0.5 * (1 + torch.e - 1 - 1)
    torch.testing.assert_close(Gaussian(one, one).kl(), torch.full_like(one, expected))
    noise = cube(200_000, 1, 1, 1, 1)
    drawn = Gaussian(torch.full_like(noise, 3.0), torch.full_like(noise, 2.0)).sample(noise)
    assert drawn.mean().item() == pytest.approx(3.0, abs=0.02)
    assert drawn.var().log().item() == pytest.approx(2.0, abs=0.02)


def test_refuses_states_and_latents_of_other_shapes():
    model = Tadpole()
    for shape in ((16, 16, 16), (1, 16, 16, 16), (1, 1, 1, 16, 16, 16)):
        with pytest.raises(ValueError, match=r"shape .* is \(batch, field, x, y, z\)"):
            model(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"128 per field, 2, 1, 1\)"):
        model.decode(torch.zeros(1, 128, 1, 1, 1), (32, 16, 16))
    with pytest.raises(ValueError, match="128 per field"):
        model.decode(torch.zeros(1, 100, 1, 1, 1), (16, 16, 16))
