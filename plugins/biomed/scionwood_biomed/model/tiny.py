"""A small random model with the architecture of BiomedCLIP, as a folder for open_clip."""

from __future__ import annotations

import json
import logging
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

WORDS = (
    "a an the of with in no and photo picture image slice scan medical normal liver lesion cyst "
    "calcified tumour tumor disease showing shows ct mr mri us axial abdomen abdominal patient "
    "bright dark round wall rim enhancing fluid smooth solid healthy tissue study"
)
"""Words that the tokenizer knows, separated by spaces; other words are split into letters."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Channel means and standard deviations of CLIP and BiomedCLIP, for pictures from 0 to 1."""

VISION: dict[str, Any] = {
    "timm_model_name": "test_vit",
    "timm_model_pretrained": False,
    "timm_pool": "",
    "timm_proj": "linear",
    "image_size": 64,
}
BERT: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
}


def write_tiny(folder: Path, *, seed: int = 0, **vision: Any) -> None:
    """Write a random model of a vision transformer and a BERT, with its tokenizer.

    Args:
        folder: an existing folder. The function writes `open_clip_config.json`, the weights,
            `config.json` and a vocabulary into it.
        seed: seed of the weights.
        vision: changes to the config of the vision tower, such as `timm_model_name`.
    """
    import open_clip

    vocabulary = _vocabulary()
    _write(folder / "config.json", {**BERT, "vocab_size": len(vocabulary)})
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})
    text = {
        "hf_model_name": str(folder),
        "hf_tokenizer_name": str(folder),
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
        "context_length": 256,
    }
    model = {"embed_dim": 64, "vision_cfg": {**VISION, **vision}, "text_cfg": text}
    record = {"model_cfg": model, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    _write(folder / "open_clip_config.json", record)
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with _quiet():
            clip_model = open_clip.create_model(
                f"local-dir:{folder}", load_weights=False, pretrained_text=False
            )
    state = {name: value.contiguous() for name, value in clip_model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    text.update(hf_model_name=".", hf_tokenizer_name=".")  # so that the folder can be moved
    _write(folder / "open_clip_config.json", record)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the message of open_clip that there are no weights yet."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _vocabulary() -> list[str]:
    letters = [*string.ascii_lowercase, *string.digits]
    return [*SPECIAL, *WORDS.split(), *letters, *(f"##{letter}" for letter in letters), *"-,.!/()'"]


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=1), encoding="utf-8")
