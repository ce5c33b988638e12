import json
import shutil

import pytest
import torch

from scionwood import AdapterError, WeightsError, attach
from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.backbones import ClipBackbone
from scionwood_kit.offline import offline

from .models import OPENAI, SIGLIP, write_model


def test_a_folder_gives_its_own_weights_without_network(biomedclip, images, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with offline() as tried:
        first = ClipBackbone(model=str(biomedclip))
    assert tried == []
    assert first.context_length == 256
    assert first.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    assert first.std == pytest.approx((0.26862954, 0.26130258, 0.27577711))
    second, tokens = ClipBackbone(model="tiny"), first.tokenize(["a photo of a cyst", "tissue"])
    with torch.no_grad():
        assert torch.equal(first(images[:2], tokens), second(images[:2], tokens))


@pytest.mark.parametrize("absent", ["vocab.txt", "config.json"])
def test_a_missing_text_tower_or_tokenizer_names_both_keys(biomedclip, tmp_path, absent):
    folder = shutil.copytree(biomedclip, tmp_path / "model")
    (folder / absent).unlink()
    with pytest.raises(WeightsError) as caught:
        ClipBackbone(model=str(folder))
    assert "text_cfg.hf_model_name" in str(caught.value)
    assert "text_cfg.hf_tokenizer_name" in str(caught.value)


def test_hub_name_without_network_names_the_keys_to_edit(biomedclip, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # no retries
    folder = shutil.copytree(biomedclip, tmp_path / "model")
    path = folder / "open_clip_config.json"
    record = json.loads(path.read_text())
    record["model_cfg"]["text_cfg"]["hf_model_name"] = "nobody/has-such-a-model"
    path.write_text(json.dumps(record))
    with offline(), pytest.raises(WeightsError, match="hf_model_name"):
        ClipBackbone(model=str(folder))


def test_refuses_a_folder_without_a_config_or_weights(biomedclip, tmp_path):
    with pytest.raises(WeightsError, match=r"open_clip_config\.json"):
        ClipBackbone(model=str(tmp_path))
    folder = shutil.copytree(biomedclip, tmp_path / "model")
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(WeightsError, match="could not be loaded"):
        ClipBackbone(model=str(folder))


def test_refuses_images_of_another_size():
    model = ClipBackbone()
    with pytest.raises(AdapterError, match="64 x 64"):
        model(torch.rand(1, 3, 32, 32), model.tokenize(["a cyst"]))


def test_cutting_the_padding_does_not_change_text_features(images):
    model = ClipBackbone().eval()
    short = model.tokenize(["a photo of a cyst"])
    whole = model.tokenizer(["a photo of a cyst"])
    assert short.shape[1] < whole.shape[1] == 256
    with torch.no_grad():
        gap = model.text_features(short) - model.text_features(whole)
    assert gap.abs().max() < 1e-6


@pytest.mark.parametrize("config", [OPENAI, SIGLIP], ids=["openai", "siglip"])
def test_dual_anchors_with_and_without_lora_adapt_other_towers(tmp_path, config):
    folder = str(write_model(tmp_path / "model", config))
    for rank, targets in ((0, "dual"), (2, "dual-lora")):
        model = ClipBackbone(model=folder).eval()
        example = model.example_input()
        with torch.no_grad():
            before = model(*example)
            tuned = attach(model, DualAnchorConfig(rank=rank), targets=targets).eval()
            assert (tuned(*example) - before).abs().max() <= 1e-5
            trained = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
            for parameter in trained.values():
                parameter.add_(0.1)
            assert (tuned(*example) - before).abs().max() > 1e-3
    assert {".visual." in name for name in trained if "lora" in name} == {True, False}
