"""DAS files in the layouts of several interrogators, written by DASCore or by this module."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import dascore as dc
import h5py
import nptdms
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

START = np.datetime64("2020-01-01T00:00:00", "ns")


def times(samples: int, start: np.datetime64 = START) -> np.ndarray:
    return start + np.timedelta64(4_000_000, "ns") * np.arange(samples)


def patch_of(data: np.ndarray, *, tag: str = "", start: np.datetime64 = START) -> dc.Patch:
    coords = {"distance": 100 + np.arange(len(data)) * 5.0, "time": times(data.shape[1], start)}
    patch = dc.Patch(data=data, coords=coords, dims=("distance", "time"), attrs={"tag": tag})
    return patch.set_units("m/s", distance="m", time="s")


def dasdae(path: Path, *patches: dc.Patch) -> Path:
    dc.write(dc.spool(list(patches)), path, "DASDAE")
    return path


def prodml(path: Path, data: np.ndarray, dims: str = "time, locus") -> Path:
    """The layout of Energistics' ProdML 2.1; `data` is (distance, time)."""
    count, samples = data.shape
    with h5py.File(path, "w") as file:
        acquisition = file.create_group("Acquisition")
        acquisition.attrs.update(
            {
                "schemaVersion": "2.1",
                "uuid": "8f6b7a34-0000-4000-8000-000000000000",
                "PulseRate": 1000.0,
                "PulseWidth": 10.0,
                "NumberOfLoci": count,
                "StartLocusIndex": 20,
                "SpatialSamplingInterval": 5.0,
                "SpatialSamplingInterval.uom": "m",
            }
        )
        raw = acquisition.create_group("Raw[0]")
        raw.attrs["RawDataUnit"] = "m/s"
        stored = data if dims.startswith("locus") else data.T
        dataset = raw.create_dataset("RawData", data=stored, chunks=True, compression="gzip")
        dataset.attrs["Dimensions"] = dims
        clock = times(samples).astype("datetime64[us]")
        moments = raw.create_dataset("RawDataTime", data=clock.astype(np.int64))
        moments.attrs["PartStartTime"] = f"{clock[0]}+00:00"
        moments.attrs["PartEndTime"] = f"{clock[-1]}+00:00"
    return path


def febus(path: Path, data: np.ndarray) -> Path:
    """The layout of Febus: blocks of 10 samples, 5 of them new; (distance, time)."""
    blocks = data.shape[1] // 5
    stored = np.full((blocks, 10, len(data)), -1, np.float32)
    stored[:, 2:7] = data.T.reshape(blocks, 5, len(data))
    with h5py.File(path, "w") as file:
        source = file.create_group("fa1/Source1")
        source.attrs.update(
            {"AmpliPower": 1, "Hostname": "x", "WholeExtent": 1, "SamplingRate": 250}
        )
        source.attrs["Version"] = "2.1"
        source["time"] = 1.6e9 + 0.02 * np.arange(blocks)
        zone = source.create_group("Zone1")
        zone.create_dataset("StrainRate", data=stored)
        zone.attrs.update({"Version": "2.1", "GaugeLength": 10.0, "Overlap": 100})
        zone.attrs.update({"Extent": [0, len(data) - 1, 0, 9], "Spacing": [5.0, 4.0]})
        zone.attrs.update({"Origin": [0.0, 0.0], "BlockRate": 50_000})
    return path


def optodas(path: Path, data: np.ndarray, scale: float) -> Path:
    """Counts that DASCore multiplies by a factor of the header."""
    with h5py.File(path, "w") as file:
        file["data"] = np.rint(data.T / scale).astype(np.int32)
        file["fileVersion"] = 8
        file.create_group("acqSpec")
        file.create_group("cableSpec")
        head = file.create_group("header")
        head["dimensionNames"] = [b"time", b"distance"]
        head["dimensionUnits"] = [b"s", b"m"]
        for i, (size, step) in enumerate([(data.shape[1], 0.004), (len(data), 5.0)]):
            axis = head.create_group(f"dimensionRanges/dimension{i}")
            axis["min"], axis["max"], axis["unitScale"] = 0, size - 1, step
        head["time"], head["dataScale"] = 1.6e9, scale
        head["channels"] = np.arange(len(data))
        head["gaugeLength"], head["unit"] = 10.0, b"m/s"
        head["instrument"], head["experiment"] = b"OptoDAS", b"test"
    return path


def tdms(path: Path, data: np.ndarray) -> Path:
    """A segment of interleaved samples, as an iDAS writes it; nptdms writes it channel-wise."""
    properties = {
        "SamplingFrequency[Hz]": 250.0,
        "GPSTimeStamp": np.datetime64("2020-01-01T00:00:00", "us"),
        "Fibre Length Multiplier": 1.0,
        "MeasureLength[m]": 5.0 * len(data),
        "StartPosition[m]": 0.0,
        "SpatialResolution[m]": 5.0,
        "SystemInfomation.Devices0.SerialNum": "7",
    }
    channels = [nptdms.ChannelObject("Measurement", str(i), row) for i, row in enumerate(data)]
    with nptdms.TdmsWriter(str(path), version=4713) as writer:
        root = nptdms.RootObject(properties=properties)
        writer.write_segment([root, nptdms.GroupObject("Measurement"), *channels])
    raw = bytearray(path.read_bytes())
    (flags,) = struct.unpack_from("<I", raw, 4)
    struct.pack_into("<I", raw, 4, flags | 0x20)
    path.write_bytes(raw[: -data.nbytes] + data.T.tobytes())
    return path


def sentek(path: Path, data: np.ndarray) -> Path:
    """Floats alone: counts, distances and times overlap in the header; (distance, time)."""
    count, samples = data.shape
    head = np.zeros(samples, np.float32)
    head[:4], head[6] = (count, samples, 1, 1), 100
    head[count - 1], head[count], head[samples - 1] = 100 + 5 * count, 0, 0.004 * samples
    path.write_bytes(head.tobytes() + data.T.tobytes())
    return path


@pytest.fixture
def data() -> np.ndarray:
    """Seven channels of 40 samples."""
    return (np.random.default_rng(0).standard_normal((7, 40)) * 20).astype(np.float32)


@pytest.fixture(scope="session")
def das() -> SimpleNamespace:
    """Functions that write (distance, time) in the layout of each maker, at 4 ms and 5 m."""
    return SimpleNamespace(
        patch_of=patch_of,
        dasdae=dasdae,
        prodml=prodml,
        febus=febus,
        optodas=optodas,
        tdms=tdms,
        sentek=sentek,
        times=times,
    )


@pytest.fixture(scope="session")
def writers() -> dict[str, Callable[[Path, np.ndarray], Path]]:
    """File name -> function that writes (distance, time) into it."""
    return {
        "DASDAE.h5": lambda path, data: dasdae(path, patch_of(data)),
        "DASDAE_time_first.h5": lambda path, data: dasdae(path, patch_of(data).transpose()),
        "ProdML.h5": prodml,
        "ProdML_locus_first.h5": lambda path, data: prodml(path, data, "locus, time"),
        "Febus.h5": febus,
        "iDAS.tdms": tdms,
    }
