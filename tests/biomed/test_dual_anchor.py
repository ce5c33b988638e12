import pytest
import torch
from case_table import table
from torch.nn import functional as F

from scionwood import AdapterError, attach, load_adapter, merge, report, save_adapter
from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.adapters.dual_anchor.kept_anchors import (
    apply_anchors,
    keep_anchors,
    keeps_anchors,
    move_towards,
)
from scionwood_biomed.adapters.dual_anchor.layers import ContextLayer, PromptLayer
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.tasks.few_shot import FewShot

from .sizes import biomedclip_sized


def perturbed(model):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model


def test_disabling_and_unloading_restore_the_logits_bit_for_bit(images, tokens):
    model = ClipBackbone().eval()
    with torch.no_grad():
        before = model(images, tokens)
        tuned = perturbed(attach(model, DualAnchorConfig(), targets="dual")).eval()
        assert not torch.allclose(tuned(images, tokens), before, atol=1e-3)
        with tuned.disable_adapter():
            assert torch.equal(tuned(images, tokens), before)
        with pytest.raises(AdapterError, match="no single weight"):
            merge(tuned)
        assert torch.equal(tuned.unload()(images, tokens), before)


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
    assert str(counts).startswith(f"trainable {trains:,} (adapter {trains:,}, head 0)")
    assert 4 * trains <= 8 * 2**20  # bytes of float32


def test_fused_context_depends_on_the_image_and_visual_prompts_differ(trained, images):
    task, shots = trained
    first, second = (_fused(task, image) for image in (images[:1], shots.image[:1]))
    for (_, one), (_, other) in zip(first, second, strict=True):
        assert (one - other).norm() / one.norm() >= 1e-2
    for own, _ in first:
        assert (own[0, 0] - own[0, 1]).abs().max() > 1e-3


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


@table(
    ("options", "targets", "rule"),
    [
        ({}, "dual-lora", "need a rank"),
        ({"fusion": [6]}, "dual", "6 blocks"),
        ({}, r"clip\.visual\.trunk\.norm", "attn_mask"),
    ],
)
def test_refuses_layers_that_do_not_fit(options, targets, rule):
    with pytest.raises(AdapterError, match=rule):
        attach(ClipBackbone(), DualAnchorConfig(**options), targets=targets)


def _named(layer, factor):
    return {name: getattr(part, factor)[0] for name, part in layer.dual_anchor_lora.items()}


def _fused(task, image):
    """Return the visual prompts that each fusion reads, and its fused context tokens."""
    seen = []
    hooks = [
        fusion.register_forward_hook(lambda _, given, out: seen.append((given[1], out[1])))
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


def test_kept_anchors_move_only_the_texts_of_their_classes(trained, tmp_path):
    task, shots = trained
    batch = {"image": shots.image[:4], "classes": shots.classes}
    bare = task.predict(batch)
    anchors = task.kept_anchors(shots.image, shots.label, shots.classes)
    text = task.features(batch)[1]
    moved = move_towards(text, shots.classes, shots.classes[1:], anchors[1:], 0.5)
    assert moved[0].equal(text[0])
    torch.testing.assert_close(moved[1:], F.normalize(text + anchors, dim=-1)[1:])
    assert not moved.allclose(text)
    keep_anchors(task.backbone, shots.classes, anchors)
    try:
        kept = task.predict(batch)
        save_adapter(task.backbone, tmp_path)
    finally:
        _forget(task.backbone)
    assert not kept.allclose(bare)
    assert task.predict(batch).equal(bare)
    loaded = FewShot(load_adapter(ClipBackbone(), tmp_path)).eval()
    torch.testing.assert_close(loaded.predict(batch), kept, atol=1e-6, rtol=0)
    turned = {**batch, "classes": shots.classes[::-1]}
    torch.testing.assert_close(loaded.predict(turned).flip(1), kept, atol=1e-6, rtol=0)


def test_model_without_the_adapter_is_unchanged(images, tokens):
    model = ClipBackbone()
    text = model.text_features(tokens)
    classes = [f"class {number}" for number in range(len(text))]
    assert not keeps_anchors(model)
    assert apply_anchors(model, classes, text) is text


def _forget(model):
    for layer in model.modules():
        if isinstance(layer, ContextLayer):
            layer.dual_anchor_kept.pop("default")
            layer.configs["default"].kept, layer.configs["default"].features = None, 0
