from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from scionwood import ReadError
from scionwood_pde.readers.labelled import ZarrReader
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.write import save_states

FORKED = """
import os, sys
from pathlib import Path
from scionwood import ReadError
from scionwood_pde.readers.labelled import ZarrReader

reader = ZarrReader(Path(sys.argv[1]))
reader.state(0, 0)
child = os.fork()
if not child:
    try:
        reader.state(0, 0)
    except ReadError as error:
        os._exit(0 if "spawn or forkserver" in str(error) else 1)
    os._exit(2)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(params=["states.zarr", "states.zarr.zip"])
def store(request: pytest.FixtureRequest, states: xr.DataArray, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    save_states(states, path, chunk=2, shard=4)
    return path


def test_a_store_is_zarr_3_with_chunks_in_shards_and_reads_as_it_was_written(store, states):
    opened = zarr.storage.ZipStore(store, mode="r") if store.suffix == ".zip" else store
    array = zarr.open_group(opened, mode="r")["u_x"]
    assert array.metadata.zarr_format == 3
    assert array.chunks == (1, 1, 2, 2, 2)
    assert array.shards == (1, 1, 4, 4, 2)
    assert array.metadata.dimension_names == ("sample", "time", "x", "y", "z")
    xr.testing.assert_identical(open_reader(store).to_xarray().load(), states)


def test_xarray_opens_a_store_as_it_is(states, tmp_path):
    save_states(states, tmp_path / "states.zarr")
    dataset = xr.open_zarr(tmp_path / "states.zarr", chunks=None, consolidated=False)
    np.testing.assert_array_equal(dataset["u_z"].values, states.values[:, :, 2])
    assert dataset["u_z"].attrs["units"] == "m/s"
    assert dataset["x"].attrs["boundary"] == "periodic"


def test_notices_lost_chunks(states, tmp_path):
    save_states(states, tmp_path / "states.zarr")
    shutil.rmtree(tmp_path / "states.zarr/u_x/c/1")
    reader = ZarrReader(tmp_path / "states.zarr")
    reader.state(0, 0)
    with pytest.raises(ReadError, match="field 'u_x', sample 1, time 0 holds NaN"):
        reader.state(1, 0)


def test_checks_a_declared_size_before_memory_is_allocated(tmp_path):
    group = zarr.open_group(tmp_path / "big.zarr", mode="w", zarr_format=3)
    shape = (10**5,) * 3
    group.create_array("u", shape=shape, chunks=(10,) * 3, dtype="f4", dimension_names=tuple("xyz"))
    with pytest.raises(ReadError, match="declares 3725290 GiB"):
        ZarrReader(tmp_path / "big.zarr")


def test_a_failed_write_leaves_nothing(states, tmp_path):
    spoilt = states.drop_vars("unit")
    with pytest.raises(ReadError, match="lacks coordinates unit"):
        save_states(spoilt, tmp_path / "states.zarr")
    assert not list(tmp_path.iterdir())


def test_readers_work_in_spawned_workers(states, tmp_path):
    fields = ["u_x", "u_y", "u_z", "density"]
    well = tmp_path / "states.hdf5"
    save_states(states, well)
    readers = [open_reader(well, fields=fields)]
    for name in ("states.zarr", "states.zarr.zip"):
        save_states(states, tmp_path / name, chunk=2, shard=4)
        readers.append(open_reader(tmp_path / name))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for reader in readers:
            np.testing.assert_array_equal(pool.apply(reader.state, (1, 2)), states.values[1, 2])


def test_refuses_a_zip_bomb_before_it_is_inflated(tmp_path):
    bomb = tmp_path / "bomb.zarr.zip"
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("u/c/0", "w") as entry,
    ):
        for _ in range(128):
            entry.write(bytes(1 << 20))
    assert bomb.stat().st_size < 1 << 20
    tracemalloc.start()
    with pytest.raises(ReadError, match=r"bomb\.zarr\.zip: .*inflate"):
        open_reader(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert [path.name for path in tmp_path.iterdir()] == [bomb.name]
    with zipfile.ZipFile(tmp_path / "slip.zarr.zip", "w") as archive:
        archive.writestr("../outside", b"")
    with pytest.raises(ReadError, match="leaves the folder"):
        open_reader(tmp_path / "slip.zarr.zip")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_refuses_to_read(states, tmp_path):
    save_states(states, tmp_path / "states.zarr")
    command = [sys.executable, "-c", FORKED, str(tmp_path / "states.zarr")]
    inline = {**os.environ, "SCIONWOOD_READERS": "inline"}  # in a child of its own it can read
    assert subprocess.run(command, timeout=120, env=inline).returncode == 0


@pytest.mark.parametrize("absolute", [True, False])
def test_a_chunk_that_is_a_link_out_of_the_store_is_refused(states, tmp_path, absolute):
    path, secret = tmp_path / "states.zarr", tmp_path / "secret"
    save_states(states, path)
    chunk = next(file for file in sorted((path / "u_x" / "c").rglob("*")) if file.is_file())
    chunk.rename(secret)
    chunk.symlink_to(secret if absolute else os.path.relpath(secret, chunk.parent))
    with pytest.raises(ReadError, match=r"Zarr: it leads to .*secret, outside of .*states.zarr"):
        open_reader(path)
