"""A folder of images in which some files cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from scionwood import ReadError
from scionwood_biomed.data.images import Images

SUBJECT = r"(p\d+)/"


@pytest.fixture(params=["inline", "service"])
def folder(request, tmp_path, monkeypatch):
    """Twelve images of six subjects; one is cut, one is a bomb of a few bytes."""
    monkeypatch.setenv("SCIONWOOD_READERS", request.param)
    random = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / ("cyst", "healthy")[number % 2] / f"p{number // 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (64, 64), np.uint8)).save(path)
    cut, bomb = (next(tmp_path.rglob(f"{number}.png")) for number in (4, 7))
    cut.write_bytes(cut.read_bytes()[:900])
    head = bytearray(bomb.read_bytes())
    head[16:24] = (60_000).to_bytes(4, "big") * 2  # declared width and height
    bomb.write_bytes(bytes(head))
    return tmp_path


def test_bad_images_are_skipped_and_the_others_are_read(folder):
    data = Images(source=folder, subject=SUBJECT, on_bad_file="skip", size=64, batch_size=2)
    data.setup("fit")
    assert [path.rpartition("/")[2] for path in data.data_files.skipped] == ["4.png", "7.png"]
    assert len(data.items()) == 10
    images = [data.picture(item) for item in data.items()]
    assert {image.shape[:2] for image in images} == {(64, 64)}


def test_a_bad_image_stops_unless_the_recipe_says_skip(folder):
    data = Images(source=folder, subject=SUBJECT, size=64)
    cut = next(item for item in data.items() if item.path.name == "4.png")
    with pytest.raises(ReadError, match=r"4\.png"):
        data.picture(cut)
