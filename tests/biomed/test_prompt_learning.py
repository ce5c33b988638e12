"""MaPLe's coupled prompts, and the sentences that BiomedCoOp keeps."""

import pytest
import torch

from scionwood import AdapterError
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.evaluation.biomed_coop import BiomedCoOp
from scionwood_biomed.evaluation.maple import CoupledPrompts
from scionwood_biomed.evaluation.settings import Settings
from scionwood_biomed.model.tiny import write_tiny
from scionwood_biomed.tasks.wording import TEMPLATE


def test_coupled_prompts_act_on_both_towers_only_where_they_are_inserted(images, tokens):
    towers = ClipBackbone().eval().requires_grad_(False)
    coupled = CoupledPrompts(towers, TEMPLATE)
    image, text = towers.image_features(images[:2]), towers.text_features(tokens)
    with coupled.inserted():
        seen, read = towers.image_features(images[:2]), towers.text_features(tokens)
    assert (seen - image).abs().max() > 1e-4
    assert (read - text).abs().max() > 1e-4
    assert torch.equal(towers.image_features(images[:2]), image)
    assert torch.equal(towers.text_features(tokens), text)
    (seen.sum() + read.sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in coupled.parameters())


def test_first_text_prompt_starts_at_the_words(tokens):
    towers = ClipBackbone().eval().requires_grad_(False)
    coupled = CoupledPrompts(towers, TEMPLATE)
    coupled.prompts = coupled.prompts[:1]
    coupled.maps = coupled.maps[:1]
    before = towers.text_features(tokens)
    with coupled.inserted():
        assert torch.allclose(towers.text_features(tokens), before, atol=1e-6)


def test_a_convolutional_tower_is_refused(tmp_path):
    write_tiny(tmp_path, timm_model_name="tf_efficientnet_lite0", timm_pool="avg")
    with pytest.raises(AdapterError, match="both towers must be transformers"):
        CoupledPrompts(ClipBackbone(model=str(tmp_path)), TEMPLATE)


def test_an_outlying_sentence_teaches_nothing():
    method = BiomedCoOp(ClipBackbone(), Settings())
    image = torch.nn.functional.normalize(torch.ones(3, 8), dim=-1)
    method.sentences = image[0].expand(2, 5, 8).clone()
    assert method.usual(image).all()
    method.sentences[:, 3] *= -1
    assert method.usual(image).tolist() == [True, True, True, False, True]
