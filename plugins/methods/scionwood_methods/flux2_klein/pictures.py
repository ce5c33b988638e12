"""A folder of pictures as one tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scionwood import PluginError, ReadError
from scionwood.authoring import reading

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
PIXELS = 100_000_000
"""Most pixels of a picture."""


def read_pictures(folder: str | Path, side: int) -> Tensor:
    """Read all pictures of a folder, cut to their middle square and resized.

    Args:
        folder: the folder, without those inside it.
        side: side of a picture in pixels.

    Returns:
        (picture, 3, side, side) float32 from -1 (black) to 1 (white), ordered by name.

    Raises:
        PluginError: pillow is missing.
        ReadError: the folder has no picture, or one is damaged or too large.
    """
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError as error:
        remedy = "pip install 'diffusers>=0.42' 'transformers>=5.23' pillow"
        raise PluginError("pillow", "pictures need this package", remedy) from error
    folder = Path(folder)
    with reading(folder, "folder"):
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        rule = f"it has no picture ({', '.join(SUFFIXES)})"
        raise ReadError(str(folder), rule, "Give the folder that holds them")
    pictures = []
    for path in paths:
        with reading(path, "picture"), Image.open(path) as picture:
            if picture.width * picture.height > PIXELS:
                rule = f"{picture.width} x {picture.height} is more than {PIXELS:,} pixels"
                raise ReadError(str(path), rule, "Make it smaller")
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            pictures.append(np.array(ImageOps.fit(upright, (side, side)), dtype=np.float32))
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 127.5 - 1
