"""Lay the files of BiomedCLIP out as one folder that `biomed/clip` loads without the network.

    python plugins/biomed/lay_out_biomedclip.py DOWNLOADED BERT TARGET

DOWNLOADED holds the files of microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224:
`open_clip_config.json`, the weights and the vocabulary. BERT holds `config.json` of the text tower.
It is not in that repository. `open_clip_config.json` names the repository that has it, under
`model_cfg.text_cfg.hf_model_name`. No weights of that one are needed.

TARGET gets the config with both names set to `.`, the weights as safetensors, `config.json` and the
vocabulary. Weights in a `.bin` file are read with torch's restricted loader, which runs no code.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from scionwood import ReadError
from scionwood.authoring import atomic_folder, reading

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
VOCABULARY = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def lay_out(downloaded: Path, bert: Path, target: Path) -> Path:
    """Write the folder of the model.

    Args:
        downloaded: the folder with the files of BiomedCLIP.
        bert: the folder with `config.json` of the text tower.
        target: the folder to write; it does not exist.

    Raises:
        ReadError: a file is missing, or it is damaged.
        OutputExistsError: the target exists.
    """
    weights = next((downloaded / n for n in WEIGHTS if (downloaded / n).is_file()), None)
    words = [downloaded / n for n in VOCABULARY if (downloaded / n).is_file()]
    required_files = {
        downloaded / CONFIG: "it names the architecture",
        bert / "config.json": "it is the config of the text tower",
    }
    for path, what in required_files.items():
        if not path.is_file():
            raise ReadError(str(path), f"there is no such file, and {what}", "Download it too")
    if weights is None or not any(path.name in VOCABULARY[:2] for path in words):
        rule = f"it needs one of {', '.join(WEIGHTS)}, and {' or '.join(VOCABULARY[:2])}"
        raise ReadError(str(downloaded), rule, "Download the whole repository")
    with reading(downloaded / CONFIG, "config of open_clip"):
        config = json.loads((downloaded / CONFIG).read_text(encoding="utf-8"))
        config["model_cfg"]["text_cfg"] |= {"hf_model_name": ".", "hf_tokenizer_name": "."}
    with atomic_folder(target) as folder:
        (folder / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
        shutil.copyfile(bert / "config.json", folder / "config.json")
        for path in words:
            shutil.copyfile(path, folder / path.name)
        _weights(weights, folder / WEIGHTS[0])
    return target


def _weights(source: Path, target: Path) -> None:
    if source.suffix == ".safetensors":
        shutil.copyfile(source, target)
        return
    import torch
    from safetensors.torch import save_file

    with reading(source, "weights of PyTorch"):
        state = torch.load(source, map_location="cpu", weights_only=True)
    save_file({name: value.contiguous().clone() for name, value in state.items()}, target)


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("downloaded", "bert", "target"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    print(lay_out(options.downloaded, options.bert, options.target))


if __name__ == "__main__":
    main()
