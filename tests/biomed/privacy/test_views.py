"""What a person sees of pixels: two views of each frame."""

from __future__ import annotations

import numpy as np
from case_table import table

from scionwood_biomed.privacy.pictures import pictures_of

from .named import named, write


@table("kind", ["CR", "CR of MONOCHROME1", "colour of CR"])
def test_a_name_one_grey_step_above_its_ground_is_visible(kind, tmp_path):
    """As a person sees it: the strokes differ from their ground by at least 40 of 255."""
    dataset = named(kind)
    plain = dataset.pixel_array.copy()
    plain[:30] = 1000 if plain.dtype == np.uint16 else 100
    marks = (
        np.abs(dataset.pixel_array[:30].astype(int) - int(dataset.pixel_array[25, 0].flat[0])) > 40
    )
    marks[18:] = False
    plain[:30] = plain[:30] + marks
    dataset.PixelData = plain.tobytes()
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    pictures = pictures_of(tmp_path / "a.dcm", [0], 1600)
    ink = marks if marks.ndim == 2 else marks[..., 0]
    shown = pictures.spread[0, :30, :, 0].astype(int)
    assert ink.sum() > 100
    assert abs(shown[ink].mean() - shown[~ink].mean()) > 40
    assert abs(np.diff([pictures.window[0, :30, :, 0][part].mean() for part in (ink, ~ink)])) < 3


def test_large_pictures_are_made_smaller_and_say_so(tmp_path):
    write(tmp_path / "a.dcm", "CR", frames=2)
    pictures = pictures_of(tmp_path / "a.dcm", [1], 100)
    assert pictures.shape == (2, 120, 200)
    assert pictures.window.shape == (1, 60, 100, 3)
    assert pictures.scale == 2
