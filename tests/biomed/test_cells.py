"""A convolutional vision tower with cells as tokens, and a trained projection."""

import open_clip
import pytest
import torch
from peft import LoraConfig

from scionwood import AdapterError, attach
from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.evaluation.figures import fused_attention
from scionwood_biomed.model.tiny import write_tiny

from .models import OPENAI, write_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small random model with an EfficientNet."""
    path = tmp_path_factory.mktemp("efficient")
    write_tiny(path, timm_model_name="tf_efficientnet_lite0", timm_pool="avg")
    return path


@pytest.fixture
def towers(folder):
    return ClipBackbone(model=str(folder), train_projection=True).eval()


def test_cell_tower_has_the_features_of_open_clip(folder, towers, images):
    text = {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder)}
    text |= {"hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler"}
    text |= {"context_length": 256, "hf_model_pretrained": False}
    plain = open_clip.create_model(f"local-dir:{folder}", pretrained_text=False, text_cfg=text)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (towers.mean, towers.std))
    with torch.no_grad():
        expected = plain.eval().encode_image((images[:4] - mean) / std)
        features = towers.image_features(images[:4])
    assert (features - torch.nn.functional.normalize(expected, dim=-1)).abs().max() < 1e-5


def test_dual_anchors_on_cells_start_at_zero_shot_and_attend_to_the_cells(towers, images):
    tokens = towers.tokenize(["a photo of a cyst", "tissue"])
    with torch.no_grad():
        before = towers(images[:2], tokens)
        tuned = attach(towers, DualAnchorConfig(), targets="dual").eval()
        assert (tuned(images[:2], tokens) - before).abs().max() < 1e-5
    assert fused_attention(tuned, images[:2]).shape == (2, 4)


def test_only_the_projection_and_the_adapter_train(folder, towers):
    tuned = attach(towers, LoraConfig(r=2), targets="vision")
    trains = {name for name, p in tuned.named_parameters() if p.requires_grad}
    assert ClipBackbone(model=str(folder)).head == ()  # it is frozen by default
    assert any("visual.head.proj" in name for name in trains)
    assert all("lora_" in name or "visual.head" in name for name in trains)


def test_refuses_to_train_a_missing_projection(tmp_path):
    model = write_model(tmp_path / "model", OPENAI)
    with pytest.raises(AdapterError, match="train_projection"):
        ClipBackbone(model=str(model), train_projection=True)
