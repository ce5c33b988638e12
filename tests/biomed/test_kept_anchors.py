"""Anchors of the dual-anchor adapter that are kept for inference."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from scionwood import load_adapter, save_adapter
from scionwood_biomed.adapters.dual_anchor.kept_anchors import (
    apply_anchors,
    keep_anchors,
    keeps_anchors,
    move_towards,
)
from scionwood_biomed.adapters.dual_anchor.layers import ContextLayer
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.tasks.few_shot import FewShot, prompts


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


def test_kept_anchors_reduce_the_effect_of_wording(trained):
    task, shots = trained
    anchors = task.kept_anchors(shots.image, shots.label, shots.classes)
    known, other = (
        task.features({"image": shots.image, "classes": shots.classes, "texts": texts})[1]
        for texts in (prompts("a photo of a", shots.classes), [n[:3] for n in shots.classes])
    )
    apart = (known - other).norm(dim=-1)
    classes = shots.classes
    known, other = (move_towards(t, classes, classes, anchors, 0.5) for t in (known, other))
    assert ((known - other).norm(dim=-1) < apart).all()


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
