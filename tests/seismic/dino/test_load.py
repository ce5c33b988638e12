"""Sources of weights, bad files, and licences."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table
from safetensors.torch import save_file

from scionwood import WeightsError
from scionwood_seismic.backbones import dinov2_unet, dinov3_unet
from scionwood_seismic.dino import dinov3, load
from scionwood_seismic.dino.dinov3 import tiny_encoder
from scionwood_seismic.dino.family import Family

META_LICENCE = "DINOv3 License (https://ai.meta.com/resources/models-and-libraries/dinov3-license)"


class Bomb:
    """A pickle that runs a command when it is opened."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.fixture
def small(reduced_vit: Family, denoiser: Any, tmp_path: Path) -> Path:
    """A weights file of a reduced size `small` with one channel."""
    path = tmp_path / "small.safetensors"
    save_file(denoiser(reduced_vit, "small").encoder.state_dict(), path)
    return path


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the shipped weights file in half precision, at its expected path."""
    monkeypatch.setattr(load, "files", lambda package: tmp_path / package)
    path = tmp_path / "scionwood_seismic" / dinov3.VIT.shipped
    path.parent.mkdir(parents=True)
    torch.manual_seed(5)
    state = {name: x.half() for name, x in tiny_encoder().state_dict().items()}
    save_file(state, path, metadata={"made_by": "a test", "options": "seed 5"})
    return path


def test_shipped_weights_are_loaded_and_do_not_train(shipped):
    model = dinov3_unet(weights="shipped")
    torch.manual_seed(5)
    for name, value in tiny_encoder().state_dict().items():
        torch.testing.assert_close(model.encoder.state_dict()[name], value.half().float())
    assert model.head == ("decoder",)
    assert model.card["weights"] == "shipped (made_by: a test, options: seed 5)"
    assert model.card["licence"].startswith("Apache-2.0")


def test_refuses_shipped_weights_of_other_sizes():
    for size in ("small", "convnext_tiny"):
        rule = rf"'shipped' of size '{size}'.*'tiny' only.*path of"
        with pytest.raises(WeightsError, match=rule):
            dinov3_unet(size=size, weights="shipped")
    with pytest.raises(WeightsError, match=r"'shipped' of size 'tiny'.*Give `weights` `none` or"):
        dinov2_unet(weights="shipped")


def test_reports_an_installation_whose_weights_are_others_or_missing(shipped, small):
    shipped.write_bytes(small.read_bytes())
    with pytest.raises(WeightsError, match="size 'tiny'"):
        dinov3_unet(weights="shipped")
    shipped.unlink()
    with pytest.raises(WeightsError, match=r"dinov3_tiny\.safetensors.*lacks.*Install the package"):
        dinov3_unet(weights="shipped")


def test_loads_a_local_file_into_the_tiny_size(shipped):
    model = dinov3_unet(weights=shipped)
    assert model.card["weights"] == "local file dinov3_tiny.safetensors"
    assert model.card["licence"].startswith("unknown")


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_loads_weights_from_a_training_checkpoint(key, reduced_vit, denoiser, tmp_path):
    state = denoiser(reduced_vit, "base").encoder.state_dict()
    torch.save({key: state, "epoch": 3}, tmp_path / "last.pth")
    encoder = denoiser(reduced_vit, "base", tmp_path / "last.pth").encoder
    torch.testing.assert_close(encoder.state_dict(), state)


def test_missing_weights_name_the_option_and_the_licence(tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere.*no such weights file.*`weights`") as caught:
        dinov3_unet(size="small", weights=tmp_path / "nowhere.safetensors")
    assert META_LICENCE in caught.value.remedy
    rule = "hub:lvd1689m, hub:sat493m, for every size but 'tiny'"
    for size, weights in (("tiny", "hub"), ("small", "hub:imagenet")):
        with pytest.raises(WeightsError, match=rule):
            dinov3_unet(size=size, weights=weights)


@pytest.mark.parametrize("size", ["small", "convnext_tiny"])
def test_an_unreachable_hub_names_the_option_and_the_licence(
    size, monkeypatch, tmp_path, reduced, denoiser
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    family = dinov3.VIT if size == "small" else dinov3.CONVNEXT
    with pytest.raises(WeightsError, match=r"hub: cannot load.*path of a file.*DINOv3 License"):
        denoiser(reduced(family), size, "hub")


def test_satellite_weights_are_selected_by_name(monkeypatch, reduced_vit, denoiser):
    asked = []
    create = load.timm.create_model

    def record(name: str, *, pretrained: bool, **options: Any) -> Any:
        asked.append((name, pretrained))
        return create(name, **options)

    monkeypatch.setattr(load.timm, "create_model", record)
    model = denoiser(reduced_vit, "large", "hub:sat493m")
    assert asked == [("vit_large_patch16_dinov3.sat493m", True)]
    assert model.card["weights"] == "hf.co/timm/vit_large_patch16_dinov3.sat493m"


def test_refuses_files_of_another_size_and_variant(small, reduced_vit, denoiser, tmp_path):
    save_file(tiny_encoder().state_dict(), tmp_path / "tiny.safetensors")
    with pytest.raises(WeightsError, match=r"of size 'base'.*size mismatch.*128"):
        denoiser(reduced_vit, "base", tmp_path / "tiny.safetensors")
    for other in ("small_qkvb", "small_plus"):
        with pytest.raises(WeightsError, match=r"Missing key.*(q_bias|fc1_g)") as caught:
            denoiser(reduced_vit, other, small)
        assert len(caught.value.rule) < 400


@table("name", ["other.safetensors", "text.safetensors", "text.pth", "empty.pth"])
def test_refuses_a_file_that_does_not_contain_weights(name, reduced_vit, denoiser, tmp_path):
    path = tmp_path / name
    path.write_text("" if name.startswith("empty") else "not weights at all")
    if name.startswith("other"):
        save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=f"{name}: cannot load vit_small_patch16_dinov3"):
        denoiser(reduced_vit, "small", path)


@table("suffix", [".safetensors", ".pth"])
@table("share", [0.001, 0.5, 0.999])
def test_refuses_a_truncated_file(suffix, share, small, reduced_vit, denoiser, tmp_path):
    path = tmp_path / f"small{suffix}"
    if suffix == ".pth":
        torch.save(denoiser(reduced_vit, "small").encoder.state_dict(), path)
    whole = (path if suffix == ".pth" else small).read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=f"small{suffix}: cannot load"):
        denoiser(reduced_vit, "small", path)


@pytest.mark.parametrize("zipped", [True, False])
def test_refuses_a_pickle_that_runs_code(zipped, reduced_vit, denoiser, tmp_path):
    path, target = tmp_path / "bomb.pth", tmp_path / "exploded"
    torch.save({"state_dict": Bomb(target)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"bomb\.pth: cannot load"):
        denoiser(reduced_vit, "small", path)
    assert not target.exists()
    torch.load(path, weights_only=False)
    assert target.exists()  # an unsafe load runs the code


def test_refuses_values_that_are_no_finite_weights(small, reduced_vit, denoiser, tmp_path):
    assert denoiser(reduced_vit, "small", small).head == ("decoder",), "the stem does not train"
    state = denoiser(reduced_vit, "small").encoder.state_dict()
    state["blocks.1.attn.proj.weight"][0, 0] = float("nan")
    save_file(state, small)
    with pytest.raises(WeightsError, match=r"blocks\.1\.attn\.proj\.weight holds NaN"):
        denoiser(reduced_vit, "small", small)
    torch.save({"epoch": 3}, tmp_path / "notes.pth")
    with pytest.raises(WeightsError, match="not a dictionary of tensors"):
        denoiser(reduced_vit, "small", tmp_path / "notes.pth")


def test_logs_the_licence_of_restricted_weights_once(small, reduced_vit, denoiser, caplog):
    load._announce.cache_clear()
    cards = [denoiser(reduced_vit, "small", small).card for _ in range(2)]
    assert [card["licence"] for card in cards] == [META_LICENCE] * 2
    (line,) = [record.getMessage() for record in caplog.records]
    assert META_LICENCE in line
