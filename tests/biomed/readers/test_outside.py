"""A data set cannot make its reader read images outside of its folder, unless the user says so."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from case_table import table
from PIL import Image

from scionwood import ReadError
from scionwood_biomed.data.images import Images
from scionwood_biomed.data.items import read_items
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.opening import read_image


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), 201, np.uint8)).save(path)
    return path


def listing(path: Path, image: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"path,label,subject\n{image},cyst,p1\n")
    return path


@table("way", ["absolute", "dots", "link"])
def test_a_table_names_images_in_its_folder_or_under_a_root_of_the_user(tmp_path, way):
    secret = picture(tmp_path / "private" / "scan.png")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "linked.png").symlink_to(secret)
    names = {"absolute": str(secret), "dots": "../private/scan.png", "link": "linked.png"}
    source = listing(folder / "images.csv", names[way])
    with pytest.raises(
        ReadError, match=r"line 2 of images.csv: it leads to .*scan.png, outside"
    ) as e:
        read_items(source)
    assert "`root`" in e.value.remedy
    with pytest.raises(ReadError, match="outside of"):
        Images(source=source, root=tmp_path / "other").items()
    (item,) = Images(source=source, root=secret.parent).items()
    assert read_image(item.path).mean() == pytest.approx(201 / 255)


def test_a_class_folder_with_a_link_out_of_it_is_refused(tmp_path):
    secret = picture(tmp_path / "private" / "p1_scan.png")
    link = tmp_path / "data" / "cyst" / "p1_scan.png"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(secret, link.parent))
    with pytest.raises(
        ReadError, match=r"cyst/p1_scan.png: folder of images: it leads to .*private"
    ):
        read_items(tmp_path / "data", subject=r"(p\d)_")
    (item,) = read_items(tmp_path / "data", subject=r"(p\d)_", root=secret.parent)
    assert item.subject == "p1"


def test_a_dicom_folder_with_a_link_out_of_it_is_refused(tmp_path):
    folder, secret = tmp_path / "series", tmp_path / "secret.dcm"
    folder.mkdir()
    DicomReader.write_sample(folder / "a.dcm")
    DicomReader.write_sample(secret)
    assert len(DicomReader(folder)) == 1
    (folder / "b.dcm").symlink_to(secret)
    with pytest.raises(ReadError, match=r"series/b.dcm: DICOM: it leads to .*secret.dcm, outside"):
        DicomReader(folder)
    with pytest.raises(ReadError, match="outside of"):
        read_image(folder)
