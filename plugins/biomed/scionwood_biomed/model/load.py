"""Load a model of open_clip and its tokenizer from a folder, the hub, or an architecture."""

from __future__ import annotations

import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from scionwood import WeightsError
from scionwood_biomed.model.cells import CellTower, has_cells
from scionwood_biomed.model.tiny import write_tiny

CONFIG = "open_clip_config.json"
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")
"""A tokenizer needs one of these files; without any, transformers silently builds an empty one."""


@final
@dataclass(frozen=True)
class Loaded:
    """A model and the preprocessing of its inputs.

    Attributes:
        model: the two-tower model.
        tokenizer: converts texts to (text, token) int64.
        mean: mean of each channel, for images from 0 to 1.
        std: standard deviation of each channel.
        size: side of an image in pixels.
    """

    model: nn.Module
    tokenizer: Any
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int


def load(model: str, *, weights: str | None = None, seed: int = 0) -> Loaded:
    """Load a model without changing the state of the global random generator.

    Args:
        model: `tiny`; a folder with `open_clip_config.json`; a name on the hub (`hf-hub:NAME`, or
            a name with a slash); or an architecture of open_clip such as `ViT-B-16`.
        weights: weights of an architecture: a tag or a file of open_clip; `None` means random.
        seed: seed of random weights.

    Raises:
        WeightsError: no model can be loaded by this name; the message says what to change.
    """
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # open_clip and timm warn about their own configs
        torch.manual_seed(seed)
        if model == "tiny":
            with tempfile.TemporaryDirectory() as folder:
                write_tiny(Path(folder), seed=seed)
                return _of_folder(Path(folder))
        if Path(model).is_dir():
            return _of_folder(Path(model))
        return _of_name(model, weights)


def _of_folder(folder: Path) -> Loaded:
    import open_clip

    text, name = _text_config(folder), f"local-dir:{folder}"
    try:
        options: dict[str, Any] = {"text_cfg": text} if text else {}
        # Without this, open_clip would only log missing weights and return a random model.
        model = open_clip.create_model(
            name, pretrained_text=False, require_pretrained=True, **options
        )
        return _loaded(model, open_clip.get_tokenizer(name))
    except Exception as error:  # raised by open_clip, transformers, timm or safetensors
        raise _refused(folder, f"open_clip cannot load it ({_first_line(error)})", text) from error


def _text_config(folder: Path) -> dict[str, Any]:
    """Return the config of a transformers text tower with local names; empty for other towers."""
    path = folder / CONFIG
    try:
        text: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        rule = f"it has no readable {CONFIG} with model_cfg.text_cfg ({_first_line(error)})"
        raise WeightsError(str(folder), rule, "Download the whole folder of the model") from error
    if text.get("hf_tokenizer_name") and not any((folder / v).is_file() for v in VOCABULARIES):
        rule = f"it has no vocabulary of the tokenizer ({', '.join(VOCABULARIES)})"
        raise _refused(folder, rule, text)
    if "hf_model_name" not in text:
        return {}
    tower = folder / text["hf_model_name"]
    if not tower.is_dir():
        return {**text, "hf_model_pretrained": False}  # a name on the hub
    if not (tower / "config.json").is_file():
        raise _refused(folder, f"{tower} has no config.json of the text tower", text)
    return {**text, "hf_model_name": str(tower), "hf_model_pretrained": False}


def _refused(folder: Path, rule: str, text: dict[str, Any]) -> WeightsError:
    keys = "`model_cfg.text_cfg.hf_model_name` and `model_cfg.text_cfg.hf_tokenizer_name`"
    remedy = (
        f"Set {keys} in {CONFIG} to a folder with config.json and the vocabulary ('.' is this one)"
    )
    return WeightsError(str(folder), rule, remedy if text else "Copy it again")


def _of_name(name: str, weights: str | None) -> Loaded:
    import open_clip

    full = f"hf-hub:{name}" if "/" in name and ":" not in name else name
    try:
        hub = full.startswith("hf-hub:")  # its weights include both towers
        model = open_clip.create_model(
            full,
            pretrained=weights,
            pretrained_text=not hub,
            require_pretrained=hub or weights is not None,
        )
        return _loaded(model, open_clip.get_tokenizer(full))
    except Exception as error:  # raised by open_clip, the hub, or the network
        remedy = "Give the path of a folder that was downloaded, an architecture, or `tiny`"
        raise WeightsError(
            name, f"open_clip cannot load it ({_first_line(error)})", remedy
        ) from error


def _loaded(model: Any, tokenizer: Any) -> Loaded:
    prepared = model.visual.preprocess_cfg
    size = prepared["size"]
    side = int(size if isinstance(size, int) else size[0])
    if has_cells(model.visual):
        model.visual = CellTower(model.visual)
    return Loaded(model.eval(), tokenizer, tuple(prepared["mean"]), tuple(prepared["std"]), side)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"[
        :300
    ]
