"""A file that leads to a secret in another folder gives it to nobody.

Each file is read twice in a child: by its reader, which refuses it by its structure, and by a
reader without any check, which the walls of the child stop.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import raw_readers
from system_needs import NEEDS_LINUX, NEEDS_WALLS

import scionwood
from scionwood_sandbox import Session, open_in_child

pytestmark = [
    NEEDS_LINUX,
    pytest.mark.slow,
]
SECRET = 1234.0


@dataclass(frozen=True)
class Canary:
    """A file that leads to a secret, its reader, and how a library reads the secret."""

    path: Path
    reader: str
    rule: str
    library: str
    place: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def sample(reader, path):
    if reader.partition("/")[0] not in [entry.name for entry in scionwood.authoring.plugins()]:
        pytest.skip(f"the plugin of {reader} is not installed")
    scionwood.load("readers", reader).write_sample(path)
    return path


def outside(way, path, place, secret):
    """Replace a dataset by one whose values are stored in another file."""
    import h5py

    with h5py.File(path, "r+") as file:
        shape, dtype, marks = file[place].shape, file[place].dtype, dict(file[place].attrs)
        values = np.full(shape, SECRET, dtype)
        del file[place]
        if way == "raw":
            values.tofile(secret)
            file.create_dataset(place, shape, dtype, external=[(str(secret), 0, values.nbytes)])
        else:
            with h5py.File(secret, "w") as other:
                other["d"] = values
        if way == "virtual":
            layout = h5py.VirtualLayout(shape, dtype)
            layout[:] = h5py.VirtualSource(str(secret), "d", shape)
            file.create_virtual_dataset(place, layout)
        if way == "link":
            file[place] = h5py.ExternalLink(str(secret), "/d")
        else:
            file[place].attrs.update({k: v for k, v in marks.items() if k != "DIMENSION_LIST"})


def place_in(path, fits):
    import h5py

    with h5py.File(path) as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if fits(name, item) else None)
    return names[0]


def med(way, folder, secret):
    path = sample("crash/mesh", folder / "a.med")
    place = place_in(path, lambda name, _: name.endswith("COO"))
    outside(way, path, place, secret)
    return Canary(path, "crash/mesh", "file", "h5py", place, {"thickness": 1.0})


def das(way, folder, secret):
    pytest.importorskip("dascore")
    path = sample("seismic/das", folder / "a.h5")
    place = place_in(path, lambda _, item: np.ndim(item) == 2)
    outside(way, path, place, secret)
    return Canary(path, "seismic/das", "file", "h5py", place)


def abaqus(way, folder, secret):
    path = sample("crash/mesh", folder / "a.inp")
    text = path.read_text("utf-8")
    secret.write_text(re.sub(r"(\*NODE.*\n\d+,)[^,]+", rf"\1 {SECRET}", text, count=1), "utf-8")
    name = secret if way == "absolute" else os.path.relpath(secret, folder)
    path.write_text(f"{text}\n*INCLUDE, INPUT={name}\n", "utf-8")
    return Canary(path, "crash/mesh", "includes another file", "abaqus", "", {"thickness": 1.0})


def store(way, folder, secret):
    import zarr

    path = sample(f"{way}/zarr", folder / "a.zarr")
    place, part = {"crash": ("mesh_pos", "0.0.0"), "pde": ("density", "c/0/0/0/0/0")}[way]
    zarr.open_group(path, mode="r+")[place][0] = SECRET
    chunk = path / place / part
    chunk.rename(secret)
    chunk.symlink_to(secret)
    return Canary(path, f"{way}/zarr", "it leads to .* outside of", "zarr", place)


def dicom(_, folder, secret):
    import pydicom

    path = folder / "series"
    path.mkdir()
    sample("biomed/dicom", path / "a.dcm")
    dataset = pydicom.dcmread(sample("biomed/dicom", secret))
    dataset.PixelData = np.full((32, 32), SECRET, "<u2").tobytes()
    dataset.save_as(secret)
    (path / "b.dcm").symlink_to(secret)
    return Canary(path, "biomed/dicom", "it leads to .* outside of", "pydicom", "b.dcm")


CANARIES = {
    **{f"med-{way}": (med, way) for way in ("raw", "virtual", "link")},
    **{f"das-{way}": (das, way) for way in ("raw", "virtual", "link")},
    **{f"abaqus-{way}": (abaqus, way) for way in ("absolute", "relative")},
    **{f"zarr-{way}": (store, way) for way in ("crash", "pde")},
    "dicom-folder": (dicom, ""),
}


@NEEDS_WALLS
@pytest.mark.parametrize("name", CANARIES)
def test_a_secret_in_another_folder_is_read_by_no_child(name, tmp_path, monkeypatch):
    build, way = CANARIES[name]
    folder = tmp_path / "in"
    folder.mkdir()
    monkeypatch.chdir(folder)
    canary = build(way, folder, tmp_path / "secret")
    raw = {"library": canary.library, "place": canary.place}
    (known,) = raw_readers.RawReader(canary.path, **raw)
    assert SECRET in known.data  # without walls the library reads it
    for session in (True, False):
        with Session(folder if session else tmp_path / "other"):
            assert SECRET not in read_raw(canary.path, raw)
            refused = pytest.raises(scionwood.ReadError, match=canary.rule)
            cls = scionwood.load("readers", canary.reader)
            with refused as caught, open_in_child(cls, canary.path, **canary.options) as reader:
                list(reader)
            assert str(SECRET) not in str(caught.value)


def read_raw(path, options):
    """Return the values that a child reads without any check; none if it is stopped."""
    try:
        with open_in_child(raw_readers.RawReader, path, **options) as reader:
            return np.concatenate([record.data for record in reader])
    except scionwood.ReadError as error:
        return [SECRET] if str(SECRET) in str(error) else []
