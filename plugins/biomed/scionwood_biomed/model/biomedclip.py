"""Lay the files of BiomedCLIP out as one folder that `biomed/clip` loads without the network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from scionwood.authoring import read_tensors, reading

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


def lay_out(files: Sequence[Path], folder: Path) -> None:
    """Write the folder of the model.

    The config names the repository of the text tower twice; here both names become `.`, because
    `config.json` of that tower lies beside it. The weights become safetensors.

    Args:
        files: open_clip_config.json, the weights, config.json of the text tower, vocabulary.
        folder: an empty folder.

    Raises:
        ReadError: the config is damaged.
        WeightsError: the weights are.
    """
    from safetensors.torch import save_file

    config_file, weights, *others = files
    with reading(config_file, "config of open_clip"):
        config = json.loads(config_file.read_text(encoding="utf-8"))
        config["model_cfg"]["text_cfg"] |= {"hf_model_name": ".", "hf_tokenizer_name": "."}
    (folder / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
    for path in others:
        shutil.copyfile(path, folder / path.name)
    tensors = {name: value.clone() for name, value in read_tensors(weights).items()}
    save_file(tensors, folder / WEIGHTS)
