"""What h5py alone reads of DASDAE and of simple HDF5 equals what DASCore reads with PyTables."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import dascore as dc
import h5py
import numpy as np
import pytest
import tables
from audit import audited
from case_table import table

from scionwood import ReadError
from scionwood_kit.fuzzing.pickles import hostile_pickle
from scionwood_seismic.readers import dasdae
from scionwood_seismic.readers.das import DasReader

START = np.datetime64("2020-01-01", "ns")
TEXTS = ("", "Full stop.", "0.", "N.", "A history.\nIn two lines.", "\u00b5m.", "m/s")


def patches(rng: random.Random) -> list[dc.Patch]:
    """Return patches with drawn axes, attributes, units and coordinates."""
    out = []
    for number in range(rng.randint(1, 3)):
        samples, traces = rng.randint(2, 9), rng.randint(2, 9)
        steps = np.arange(samples) * np.timedelta64(4, "ms").astype("timedelta64[ns]")
        if rng.random() < 0.3:
            steps = steps + np.random.default_rng(0).integers(0, 9_000, samples)
        coords: dict[str, Any] = {"time": START + np.timedelta64(number, "D") + steps}
        dims = rng.sample(("distance", "time"), 2)
        coords["distance"] = np.sort(np.random.default_rng(number).random(traces) * 100)
        if rng.random() < 0.5:
            coords["distance"] = np.arange(traces) * 5.0
        if rng.random() < 0.3:
            coords["latitude"] = ("distance", np.linspace(10, 11, traces))
        if rng.random() < 0.3:
            coords["delay"] = ("time", np.arange(samples).astype("timedelta64[ms]"))
        shape = [len(coords[dim]) for dim in dims]
        kind = rng.choice(("f4", "f8", "i2", ">i4"))
        data = np.random.default_rng(number).integers(-9, 9, shape).astype(kind)
        attrs = {"tag": f"t{number}", "instrument_id": rng.choice(TEXTS), "network": "XX"}
        attrs |= rng.choice(({}, {"gauge_length": 10.5, "counted": np.int32(4), "whole": True}))
        attrs |= rng.choice(({}, {"offset": np.timedelta64(3, "ms"), "notes": [1, "a.", None]}))
        patch = dc.Patch(data=data, coords=coords, dims=dims, attrs=attrs)
        if rng.random() < 0.5:
            patch = patch.set_units("m/s", distance="m", time="s").detrend("time")
        out.append(patch)
    return out


def separate(path: Path) -> None:
    """Rewrite the attributes of a file in the layout that needs no pickles."""
    read = dc.read(path)
    with h5py.File(path, "r+") as file:
        for group, patch in zip(file["waveforms"].values(), read, strict=True):
            for key in [key for key in group.attrs if key.startswith("_attrs_")]:
                del group.attrs[key]
            group.attrs["__attrs_coords_separate__"] = True
            group.attrs["_attrs_tag"] = patch.attrs.tag
            group.attrs["_attrs_history"] = json.dumps(list(patch.attrs.history))
            group.attrs["_attr_type_history"] = "history_json"
            group.attrs["_attrs_data_units"], group.attrs["_attr_type_data_units"] = "", "none"
            for name, coord in patch.coords.coord_map.items():
                if name == "distance" and coord.step is not None:
                    group[f"_coord_{name}"].attrs["step"] = coord.step
                    group[f"_coord_{name}"].attrs["units"] = "m"


def simple(path: Path, rng: random.Random) -> None:
    with h5py.File(path, "w") as file:
        file["raw"] = np.arange(35.0, dtype="f4").reshape(5, 7)
        file["timestamps"] = 1.6e9 + np.arange(7) * 0.01
        if rng.random() < 0.5:
            file["channels"] = np.arange(5)
        if rng.random() < 0.5:
            file.attrs.update({"tag": "abc", "station": np.bytes_("AB")})


@table("kind", ["DASDAE", "separate", "H5Simple"])
def test_patches_and_summaries_equal_those_of_dascore(tmp_path, kind):
    for number in range(8):
        rng, path = random.Random(number), tmp_path / f"{number}.h5"
        if kind == "H5Simple":
            simple(path, rng)
        else:
            dc.write(dc.spool(patches(rng)), path, "DASDAE")
        if kind == "separate":
            separate(path)
        name = dc.get_format(path)[0]
        assert name == kind.replace("separate", "DASDAE")
        for own, theirs in zip(dasdae.read(path, name), dc.read(path), strict=True):
            assert own.equals(theirs, only_required_attrs=False), number
            assert own.coords == theirs.coords
            assert own.data.dtype == theirs.data.dtype.newbyteorder(own.data.dtype.byteorder)
        for own, theirs in zip(dasdae.scan(path, name), dc.scan(path), strict=True):
            assert (own.coords, own.dims, own.tag) == (theirs.coords, theirs.dims, theirs.tag)
            assert own.data_units == theirs.data_units
        span = (START + np.timedelta64(5, "ms"), START + np.timedelta64(1, "D"))
        cut = [patch for patch in dc.read(path, time=span) if patch.data.size]
        for own, theirs in zip(dasdae.read(path, name, span), cut, strict=True):
            np.testing.assert_array_equal(own.data, theirs.data)


def test_pytables_opens_no_file_that_is_read_or_rewritten(tmp_path, data, writers, monkeypatch):
    paths = [writers[name](tmp_path / name, data) for name in writers]
    simple(tmp_path / "simple.h5", random.Random(0))

    def refuse(self: tables.File, *_: object, **__: object) -> None:
        raise AssertionError("PyTables opens a file")

    monkeypatch.setattr(tables.File, "__init__", refuse)
    for path in [*paths, tmp_path / "simple.h5"]:
        with audited() as events, DasReader(path) as reader:
            records = list(reader)
            assert records
            if path.suffix in (".h5", ".tdms"):
                reader.rewrite(tmp_path / f"out_{path.name}", lambda record: record.data + 1)
        assert not [event for event in events if event.startswith("pickle.")]


def test_a_hostile_pickle_in_any_attribute_of_any_object_is_refused(tmp_path, data, das):
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(data))
    whole, places = path.read_bytes(), [("/", "FILTERS"), ("waveforms", "FILTERS")]
    with h5py.File(path) as file:
        places += [("/", key) for key in file.attrs]
        file.visititems(lambda name, item: places.extend((name, key) for key in item.attrs))
    assert len(places) > 40
    for number, (name, key) in enumerate(places):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            kind = h5py.string_dtype("ascii") if number % 3 == 0 else None
            pickled = hostile_pickle(f"{number}")  # which ends this process when it runs
            value = np.bytes_(pickled) if b"\0" in pickled or not kind else pickled
            file[name].attrs.create(key, value, dtype=None if b"\0" in pickled else kind)
        with pytest.raises(ReadError, match=f"attribute {key} of .* is a pickle that may run code"):
            DasReader(path)
