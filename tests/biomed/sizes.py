"""A model of the size of BiomedCLIP on the meta device, where its weights need no memory."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path

import open_clip
import torch
from peft import get_peft_model

from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.model.load import Loaded
from scionwood_biomed.model.tiny import BERT
from scionwood_biomed.model.towers import ClipBackbone

PUBMEDBERT = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
}


def biomedclip_sized():
    """Return the model with the default adapter, and its number of weights without the adapter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "config.json").write_text(json.dumps(BERT | PUBMEDBERT))
        vision = {"timm_model_name": "vit_base_patch16_224", "timm_pool": "", "timm_proj": "linear"}
        text = {
            "hf_model_name": folder,
            "hf_tokenizer_name": folder,
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 256,
        }
        config = {"embed_dim": 512, "vision_cfg": vision, "text_cfg": text}
        (path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
        logging.disable(logging.WARNING)
        try:
            with torch.device("meta"):
                model = open_clip.create_model(
                    f"local-dir:{folder}", load_weights=False, pretrained_text=False, device="meta"
                )
        finally:
            logging.disable(logging.NOTSET)
    total = sum(p.numel() for p in model.parameters())

    class Tokenizer:
        context_length = 256

    backbone = ClipBackbone.of(Loaded(model, Tokenizer(), (0.5,) * 3, (0.5,) * 3, 224), {})
    config = DualAnchorConfig(
        context=[1037, 6302, 1997, 1037], target_modules=backbone.adapter_targets["dual"]
    )
    return get_peft_model(backbone, config), total
