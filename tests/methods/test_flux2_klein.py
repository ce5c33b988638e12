"""FLUX.2 Klein with tiny random weights: conventions of its pipeline, files, and learning."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scionwood import AdapterError, PluginError, ReadError, WeightsError, load_adapter
from scionwood_methods.flux2_klein import Flux2Klein, flux2_klein, read_pictures

needs = pytest.mark.skipif(find_spec("diffusers") is None, reason="diffusers is missing")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def model() -> Flux2Klein:
    return flux2_klein()


def pictures(count: int = 4, side: int = 16) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1


@needs
@torch.no_grad()
def test_one_step_of_the_pipeline_subtracts_the_predicted_velocity(model):
    noise = torch.randn(1, 16, 4, 6, generator=torch.Generator().manual_seed(1))
    text = model.texts(["a cat"])
    drawn = model.pipeline(
        prompt_embeds=text,
        latents=noise,
        height=16,
        width=24,
        num_inference_steps=1,
        guidance_scale=1.0,
        output_type="latent",
    ).images
    z = noise - model(noise, torch.ones(1), text)
    norm = model.vae.bn
    std = (norm.running_var + model.vae.config.batch_norm_eps).sqrt()
    z = z * std.view(1, -1, 1, 1) + norm.running_mean.view(1, -1, 1, 1)
    expected = model.pipeline._unpatchify_latents(z)
    torch.testing.assert_close(drawn, expected, atol=1e-5, rtol=1e-5)


@needs
def test_refuses_sides_and_folders_that_do_not_fit(model, tmp_path):
    with pytest.raises(AdapterError, match="multiples of 4"):
        model.encode(pictures(side=18))
    with pytest.raises(WeightsError, match="no folder transformer"):
        flux2_klein(weights=tmp_path)


def test_names_the_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(PluginError, match=r"diffusers.*pip install 'diffusers>="):
        flux2_klein()


def test_pictures_are_cut_ordered_and_scaled(tmp_path):
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "b.png")
    image.new("L", (20, 30), 0).save(tmp_path / "a.png")
    x = read_pictures(tmp_path, 8)
    assert x.shape == (2, 3, 8, 8)
    assert (x[0] == -1).all()
    assert x[1, :, 0, 0].tolist() == [1, -1, -1]
    (tmp_path / "c.png").write_bytes(b"not a picture")
    with pytest.raises(ReadError, match=r"c\.png"):
        read_pictures(tmp_path, 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="no picture"):
        read_pictures(tmp_path / "empty", 8)


@needs
def test_the_recipe_of_the_guide_runs(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    for name, colour in (("cup", (200, 20, 20)), ("dog", (20, 20, 200))):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture = image.new("RGB", (40, 40 + number), colour)
            picture.save(tmp_path / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2] / "docs" / "guides" / "continual.md"
    (block,) = re.findall(r"^```py\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    names: dict[str, Any] = {}
    exec(compile(block, str(page), "exec"), names)  # a page of this repository
    assert names["picture"].size == (32, 32)
    assert names["controller"].tasks == ["a photo of my cup", "a photo of my dog"]
    again = load_adapter(flux2_klein(), tmp_path / "concepts")
    z, text = names["z"], names["named"].expand(3, -1, -1)
    share = torch.full((3,), 0.5)
    with torch.no_grad():
        expected = names["model"].eval()(z, share, text)
        torch.testing.assert_close(again.eval()(z, share, text), expected, atol=1e-5, rtol=1e-4)
