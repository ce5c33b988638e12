from __future__ import annotations

import pytest
import torch
from case_table import table
from peft import LoraConfig

from scionwood import AdapterError, attach, load_adapter, merge, report, save_adapter
from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.adapters.dual_anchor.layers import PromptLayer
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.evaluation.figures import fused_attention

from .sizes import biomedclip_sized


def perturbed(model):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model


def test_unloading_restores_the_logits_bit_for_bit(images, tokens):
    model = ClipBackbone().eval()
    with torch.no_grad():
        before = model(images, tokens)
        tuned = perturbed(attach(model, DualAnchorConfig(), targets="dual")).eval()
        assert not torch.allclose(tuned(images, tokens), before, atol=1e-3)
        assert torch.equal(tuned.unload()(images, tokens), before)


def test_disabling_restores_the_logits_bit_for_bit(images, tokens):
    tuned = perturbed(attach(ClipBackbone(), DualAnchorConfig(), targets="dual")).eval()
    with torch.no_grad(), tuned.disable_adapter():
        assert torch.equal(tuned(images, tokens), ClipBackbone().eval()(images, tokens))


def test_refuses_to_merge_added_tokens():
    with pytest.raises(AdapterError, match="no single weight"):
        merge(attach(ClipBackbone(), DualAnchorConfig(), targets="dual"))


def test_the_folder_alone_restores_the_adapter(images, tokens, tmp_path):
    tuned = perturbed(
        attach(ClipBackbone(), DualAnchorConfig(template="a ct of"), targets="dual")
    ).eval()
    save_adapter(tuned, tmp_path)
    again = load_adapter(ClipBackbone(), tmp_path)
    kept = again.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in tuned.state_dict().items())
    with torch.no_grad():
        assert torch.equal(again(images, tokens), tuned(images, tokens))


def test_at_most_one_percent_of_biomedclip_trains_and_the_file_is_small():
    model, total = biomedclip_sized()
    counts = report(model)
    trains = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert total == 195_902_721
    assert counts.trainable_adapter == trains <= 0.01 * total
    assert f"trainable {trains:,} " in str(counts)
    assert 4 * trains <= 8 * 2**20  # bytes of float32


def test_report_prints_the_number_of_trained_parameters():
    tuned = attach(ClipBackbone(), DualAnchorConfig(), targets="dual")
    trains = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    assert str(report(tuned)).startswith(f"trainable {trains:,} (adapter {trains:,}, head 0)")


def test_fused_context_depends_on_the_image(trained, images):
    task, shots = trained
    fused = [_fused(task, image) for image in (images[:1], shots.image[:1])]
    for first, second in zip(*fused, strict=True):
        assert (first - second).norm() / first.norm() >= 1e-2


def test_visual_prompts_differ_from_each_other(trained, images):
    task, _ = trained
    layers = [layer for layer in task.backbone.modules() if isinstance(layer, PromptLayer)]
    seen = []
    for layer in layers:
        if layer.dual_anchor_fusion:
            layer.dual_anchor_fusion["default"].register_forward_hook(
                lambda _, given, __: seen.append(given[1])
            )
    with torch.no_grad():
        task.backbone.image_features(images[:1])
    for own in seen:
        assert (own[0, 0] - own[0, 1]).abs().max() > 1e-3


def test_labels_do_not_change_predictions(trained):
    task, shots = trained
    batch = {"image": shots.image, "classes": shots.classes}
    with torch.no_grad():
        first = task.predict({**batch, "label": shots.label})
        second = task.predict({**batch, "label": shots.label.flip(0)})
    assert torch.equal(first, second)


def test_attention_of_the_text_context_is_a_share_per_patch(trained, images):
    task, _ = trained
    attention = fused_attention(task.backbone, images[:2])
    assert attention.shape == (2, 16)
    assert (attention >= 0).all()
    assert (attention.sum(1) <= 1).all()


def test_lora_adapts_both_towers():
    tuned = attach(ClipBackbone(), LoraConfig(r=2), targets="attention")
    adapted = [name for name, p in tuned.named_parameters() if p.requires_grad]
    assert any(".visual." in name for name in adapted)
    assert any(".text." in name for name in adapted)


def test_rank_adds_lora_to_the_same_adapter(images, tokens, tmp_path):
    model = ClipBackbone().eval()
    with torch.no_grad():
        before = model(images, tokens)
        tuned = attach(model, DualAnchorConfig(rank=2), targets="dual-lora").eval()
        assert (tuned(images, tokens) - before).abs().max() <= 1e-6
    adapted = [name for name, p in tuned.named_parameters() if p.requires_grad and "lora" in name]
    assert any(".visual." in name for name in adapted)
    assert any(".text." in name for name in adapted)
    save_adapter(perturbed(tuned), tmp_path)
    with torch.no_grad():
        moved = tuned(images, tokens)
        assert (load_adapter(ClipBackbone(), tmp_path)(images, tokens) - moved).abs().max() <= 1e-6
        assert torch.equal(tuned.unload()(images, tokens), before)


def test_every_part_of_the_joint_adapter_learns(images, tokens):
    tuned = perturbed(attach(ClipBackbone(), DualAnchorConfig(rank=2), targets="dual-lora"))
    tuned(images[:2], tokens).square().mean().backward()
    for name, parameter in tuned.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


def test_low_rank_updates_of_a_block_equal_its_changed_weight(images):
    tuned = perturbed(
        attach(ClipBackbone(), DualAnchorConfig(rank=2, prompts=0, fusion=[]), targets="dual")
    )
    layer = tuned.base_model.model.clip.visual.trunk.blocks[0]
    tokens = torch.rand(2, 5, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = layer(tokens)
        a, b = (part["default"] for part in (_named(layer, "A"), _named(layer, "B")))
        layer.base_layer.attn.qkv.weight += 2 * b @ a
        assert (layer.base_layer(tokens) - output).abs().max() < 1e-5


def test_refuses_blocks_of_the_text_tower_without_a_rank():
    with pytest.raises(AdapterError, match="need a rank"):
        attach(ClipBackbone(), DualAnchorConfig(), targets="dual-lora")


@table(
    ("options", "message"),
    [
        ({"width": 10, "heads": 4}, "divide"),
        ({"prompts": -1}, "0 or more"),
        ({"fusion": [-1]}, "0"),
        ({"keep": 1.5}, "from 0 to 1"),
        ({"kept": ["cyst", "cyst"]}, "distinct"),
        ({"kept": "cyst"}, "distinct"),
        ({"kept": [1]}, "distinct"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    with pytest.raises(AdapterError, match=message):
        DualAnchorConfig(**options)


def test_refuses_a_fusion_beyond_the_last_block():
    with pytest.raises(AdapterError, match="6 blocks"):
        attach(ClipBackbone(), DualAnchorConfig(fusion=[6]), targets="dual")


def test_refuses_modules_without_tokens():
    with pytest.raises(AdapterError, match="attn_mask"):
        attach(ClipBackbone(), DualAnchorConfig(), targets=r"clip\.visual\.trunk\.norm")


def _named(layer, factor):
    return {name: getattr(part, factor)[0] for name, part in layer.dual_anchor_lora.items()}


def _fused(task, image):
    """Return the fused context tokens of each fusion."""
    seen = []
    hooks = [
        fusion.register_forward_hook(lambda _, __, out: seen.append(out[1]))
        for layer in task.backbone.modules()
        if isinstance(layer, PromptLayer)
        for fusion in layer.dual_anchor_fusion.values()
    ]
    with torch.no_grad():
        task.backbone.image_features(image)
    for hook in hooks:
        hook.remove()
    assert len(seen) == 2
    return seen
