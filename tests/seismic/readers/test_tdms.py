from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import nptdms
import numpy as np
import pytest

from scionwood import WriteError
from scionwood_seismic.readers import tdms
from scionwood_seismic.readers.das import DasReader


def test_tdms_keeps_every_byte_except_the_samples(
    tmp_path: Path, data: np.ndarray, das: SimpleNamespace
) -> None:
    path, target = das.tdms(tmp_path / "in.tdms", data), tmp_path / "out.tdms"
    with DasReader(path) as reader:
        reader.rewrite(target, lambda record: -record.data)
    before, after = path.read_bytes(), target.read_bytes()
    assert after[: -data.nbytes] == before[: -data.nbytes]
    assert after[-data.nbytes :] == (-data).T.tobytes()


def test_locates_channels_that_are_not_interleaved(tmp_path: Path, data: np.ndarray) -> None:
    """DASCore does not read such a file completely, but the layout locates its samples."""
    path = tmp_path / "in.tdms"
    with nptdms.TdmsWriter(str(path)) as writer:
        for part in (data[:, :25], data[:, 25:]):
            writer.write_segment(
                [nptdms.ChannelObject("Measurement", str(i), row) for i, row in enumerate(part)]
            )
    layout = tdms.find(path, data, 1)
    changed = np.zeros(data.shape, bool)
    changed[3, 20:30] = True
    assert tdms.overwrite(path, layout, -data, changed, 1) == 0
    with nptdms.TdmsFile.open(str(path)) as file:
        stored = np.stack([channel[:] for channel in file["Measurement"].channels()])
    np.testing.assert_array_equal(stored, np.where(changed, -data, data))


def test_refuses_samples_that_differ_from_the_patch(
    tmp_path: Path, data: np.ndarray, das: SimpleNamespace
) -> None:
    path = das.tdms(tmp_path / "in.tdms", data)
    with pytest.raises(WriteError, match="TDMS that cannot be written"):
        tdms.find(path, data + 1, 1)


def test_the_sample_is_read_and_locates_its_samples(tmp_path: Path) -> None:
    for suffix in (".tdms", ".h5"):
        DasReader.write_sample(tmp_path / f"a{suffix}")
    with DasReader(tmp_path / "a.tdms") as reader, DasReader(tmp_path / "a.h5") as other:
        (record,), (same,) = reader, other
        np.testing.assert_array_equal(record.data, same.data)
        assert reader.dt == other.dt
        reader.rewrite(tmp_path / "b.tdms", lambda record: -record.data)
    with DasReader(tmp_path / "b.tdms") as reader:
        np.testing.assert_array_equal(next(iter(reader)).data, -record.data)
