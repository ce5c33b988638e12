"""Files that killed or stalled a reader in this process end as errors in a child.

They are samples of the readers with a few bytes changed, found by mutation, and one that was cut.
"""

import gzip
from pathlib import Path

import pytest
from system_needs import NEEDS_LINUX

import scionwood
from scionwood_sandbox import Limits, Session, open_in_child

pytestmark = [
    NEEDS_LINUX,
    pytest.mark.slow,
]
READERS = {
    "das-segv-1.h5": ("seismic/das", "which is not UTF-8"),
    "das-segv-2.h5": ("seismic/das", "which is not UTF-8"),
    "well-hang.hdf5": ("pde/well", "WellReader .* more than 1 s of CPU"),
    "netcdf-hang.nc": ("pde/netcdf", "NetCDFReader .* more than 1 s of CPU"),
    "nastran-hang.bdf": ("crash/mesh", "ends without a card after BEGIN BULK"),
}
"""The reader of each file, and what its error says.

HDF5 never ends when it reads a heap of attributes of the two that hang. No rule tells such a file
before the heap is read, so a child is ended.
"""


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_an_error_and_the_next_is_read(name, tmp_path):
    reference, cause = READERS[name]
    field = reference.partition("/")[0]
    if field not in [entry.name for entry in scionwood.authoring.plugins()]:
        pytest.skip(f"the plugin {field} is not installed")
    cls = scionwood.load("readers", reference)
    options = {"thickness": 1.0} if cls.__name__ == "MeshReader" else {}
    bad, good = tmp_path / name, tmp_path / f"good{Path(name).suffix}"
    bad.write_bytes(gzip.decompress((Path(__file__).parent / f"damaged/{name}.gz").read_bytes()))
    cls.write_sample(good)
    with Session(tmp_path, limits=Limits(cpu=1)):
        refused = pytest.raises(scionwood.ReadError, match=cause)
        with refused as caught, open_in_child(cls, bad, **options) as reader:
            list(reader)
        assert name in str(caught.value)
        with open_in_child(cls, good, **options) as reader:
            assert len(list(reader)) == len(reader) > 0
