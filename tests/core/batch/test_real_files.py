"""Twenty SEG-Y files and a damaged one, with the shipped run of the seismic plugin."""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from scionwood_batch import jobs_for, run

pytestmark = pytest.mark.slow
SHAPE = {"n": 1, "n_traces": 64, "n_samples": 64}
COMMAND = [sys.executable, "-m", "scionwood.cli", "seismic", "denoise"]


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    seismic = pytest.importorskip("scionwood_seismic")
    folder = tmp_path_factory.mktemp("shots")
    reference = tmp_path_factory.mktemp("reference") / "clean.sgy"
    for seed in range(20):
        seismic.simulate(folder / f"{seed:02}.sgy", reference, **SHAPE, seed=seed, force=True)
    (folder / "bad.sgy").write_bytes((folder / "00.sgy").read_bytes()[:5000])
    return folder


def alone(shots, target, *options):
    """Results of the command itself, for three files."""
    target.mkdir()
    for name in ("00.sgy", "07.sgy", "19.sgy"):
        words = [str(shots / name), str(target / name), *options]
        variables = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([*COMMAND, *words], check=True, capture_output=True, env=variables)
    return target


def same(left, right):
    names = sorted(path.name for path in left.glob("*.sgy*"))
    assert names
    assert [(right / name).read_bytes() for name in names] == [
        (left / name).read_bytes() for name in names
    ]


def test_a_killed_worker_and_a_damaged_file_change_no_result(client, shots, tmp_path):
    jobs = jobs_for([shots], f"{tmp_path}/out/{{name}}")
    rows = []
    for row in run("seismic/denoise", jobs, client=client):
        rows.append(row)
        if len(rows) == 5:
            os.kill(int(row.worker.rpartition(":")[2]), signal.SIGKILL)
    assert Counter(row.status for row in rows) == {"done": 20, "failed": 1}
    assert "bad.sgy" in next(row.error for row in rows if not row.good)
    same(alone(shots, tmp_path / "alone"), tmp_path / "out")
    again = Counter(row.status for row in run("seismic/denoise", jobs, client=client))
    assert again == {"skipped": 20, "failed": 1}
