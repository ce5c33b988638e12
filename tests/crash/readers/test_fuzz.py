"""A reader reads damaged bytes or raises ReadError, in a short time."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scionwood import ReadError
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.dyna import DynaReader
from scionwood_crash.readers.keyword import KeywordReader
from scionwood_crash.readers.meshio import MeshReader
from scionwood_crash.readers.radioss import RadiossReader
from scionwood_crash.readers.store import ZarrReader
from scionwood_crash.readers.vtk_series import VtkSeriesReader

READERS = (DynaReader, KeywordReader, MeshReader, RadiossReader, VtkSeriesReader)
READERS += (ZarrReader,)
DAMAGE = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),  # where
        st.sampled_from(["set", "cut", "drop", "repeat", "digit"]),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def damaged(whole: bytes, damage: list[tuple[float, str, int]]) -> bytes:
    data = bytearray(whole)
    for where, kind, value in damage:
        at = int(where * len(data))
        if kind == "set":
            data[at : at + 1] = bytes([value])
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            del data[at : at + value]
        elif kind == "repeat":
            data[at:at] = data[at : at + value]
        else:
            data[at : at + 1] = b"%d" % (value % 10)
    return bytes(data)


@pytest.mark.parametrize("reader", READERS)
@settings(
    max_examples=60,
    deadline=2000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(damage=DAMAGE)
def test_damage_is_read_or_refused(reader, damage, tmp_path):
    logging.getLogger("lasso.dyna.d3plot").setLevel(logging.ERROR)  # it logs what it cannot read
    sample = tmp_path / f"sample{reader.suffixes[0]}"
    if not sample.exists():
        reader.write_sample(sample)
    path = tmp_path / f"damaged{reader.suffixes[0]}"
    path.write_bytes(damaged(sample.read_bytes(), damage))
    refusal = refused(reader, path)
    if refusal:
        assert "damaged" in refusal.value
        assert refusal.rule
        assert refusal.remedy


def refused(reader: type[CrashReader], path: Path) -> ReadError | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for record in reader(path):
                assert record.data.shape[1] == 3
        except ReadError as error:
            return error
    return None
