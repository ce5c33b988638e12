"""The page of one classified image: the first picture beside the probabilities."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scionwood.authoring import Figure, Number, Numbers, Page, Table, atomic_path, render, writing
from scionwood_biomed.inference.images import NOTICE, Answer
from scionwood_biomed.readers.opening import read_image

if TYPE_CHECKING:
    from scionwood_deid import Window


def write_answer(target: Path, source: Path, answer: Answer, window: Window) -> None:
    """Write a page with an image and the probability of each class.

    Args:
        target: the HTML file to write.
        source: the image; of a volume its middle slice is shown.
        answer: its classification.
        window: CT window of the picture.

    Raises:
        ReadError: the image is damaged.
        WriteError: the page cannot be written.
    """
    from PIL import Image

    picture = (read_image(source, window=window) * 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])
    page = Page(
        "Answer for one image",
        [
            Numbers([Number("answer", answer.label or "none is probable enough")]),
            Figure(source.name, buffer.getvalue(), lead=True),
            Table(("class", "probability"), [(name, f"{value:.3f}") for name, value in ranked]),
        ],
        warning=NOTICE,
        dated=False,
    )
    with writing(target), atomic_path(target) as part:
        part.write_text(render(page), encoding="utf-8")
