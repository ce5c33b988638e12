"""The hostile variants of a sample are well-formed, and a fuzz tells which of them escape."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
from case_table import table

from scionwood.plugins import discovery
from scionwood_kit.fuzzing.campaign import fuzz
from scionwood_kit.fuzzing.edits import Edit, changed
from scionwood_kit.fuzzing.hostile import HOSTILE, variants, verdict_of
from scionwood_kit.fuzzing.pickles import STATUS, hostile_pickle
from scionwood_kit.fuzzing.reading import Reading
from scionwood_sandbox.decoding.switch import possible

SERVICE = pytest.mark.skipif(not possible(), reason="this system has no reader service")


def files_of(tree):
    """Return the files of each variant."""
    return [changed(tree, edits) for edits in variants(tree)]


def saved(values):
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_variants_of_hdf5_are_well_formed_and_hostile():
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["a/data"] = np.arange(6.0)
        file["a"].attrs["TITLE"], file["a/data"].attrs["units"] = "waves", "m"
    found = files_of({"x.h5": out.getvalue()})
    opened = [h5py.File(io.BytesIO(each["x.h5"])) for each in found]
    links = [file.get("a/data", getlink=True) for file in opened]
    outside = [isinstance(link, h5py.ExternalLink) for link in links]
    assert sum(outside) == 1
    datasets = [file["a/data"] for file, out in zip(opened, outside, strict=True) if not out]
    assert sum(node.is_virtual for node in datasets) == 1
    assert sum(node.external is not None for node in datasets) == 1
    assert max(node.size for node in datasets) == 1 << 40
    pickles = [file["a"].attrs["TITLE"] for file in opened if file["a"].attrs["TITLE"] != "waves"]
    assert [value[-1:] for value in pickles] == [b"."]
    beside = [each["other"] for each in found if "other" in each]
    with h5py.File(io.BytesIO(beside[0])) as file:
        assert np.array_equal(file["a/data"], np.arange(6.0) + 1)


def test_variants_of_arrays_and_archives_are_well_formed_and_hostile():
    array = saved(np.arange(3))
    heads = [io.BytesIO(each["x.npy"][8:]) for each in files_of({"x.npy": array})]
    kinds = [np.lib.format.read_array_header_1_0(head)[2].kind for head in heads]
    assert kinds == ["O", "f"]
    archives = [each["x.npz"] for each in files_of({"x.npz": zipped({"a.npy": array})})]
    names = [info for data in archives for info in zipfile.ZipFile(io.BytesIO(data)).infolist()]
    assert any(info.filename.startswith("../") for info in names)
    assert any(info.external_attr >> 28 == 0xA for info in names)  # a link
    assert max(info.file_size for info in names) == 64 << 20
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("1.txt"))
    tars = [each["x.tar"] for each in files_of({"x.tar": out.getvalue()})]
    first = [tarfile.TarInfo.frombuf(data[:512], "utf-8", "strict").type for data in tars]
    assert first == [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]
    (bomb,) = files_of({"x.gz": gzip.compress(b"text")})
    assert len(gzip.decompress(bomb["x.gz"])) > 64 << 20


def test_variants_of_zarr_name_a_codec_that_unpickles():
    facts = {"shape": [4], "chunks": [4], "dtype": "<f4", "zarr_format": 2, "filters": None}
    tree = {"a/.zarray": json.dumps(facts).encode(), "a/0": bytes(16), "b/0": bytes(16)}
    codecs = [each for each in files_of(tree) if b'"pickle"' in each["a/.zarray"]]
    assert [set(each) for each in codecs] == [{"a/.zarray", "a/0"}]


@table("number", range(4))
def test_a_hostile_pickle_ends_the_process_that_unpickles_it(number):
    code = f"import pickle; pickle.loads({hostile_pickle(str(number))!r})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == STATUS


def test_what_is_judged_an_escape():
    own, beside = [Edit("a", insert="00")], [Edit("a"), Edit("other", insert="00")]
    tree = {"a": b"x"}
    assert verdict_of(Reading("died", "status 77"), tree, own).kind == "escaped"
    assert verdict_of(Reading("values"), tree, beside).kind == "escaped"
    assert verdict_of(Reading("values"), tree, own).kind == "values"
    assert verdict_of(Reading("refused"), tree, beside).kind == "refused"


@SERVICE
def test_a_fuzz_finds_a_reader_that_unpickles_and_one_that_follows_a_link(hostile, tmp_path):
    tallies, _ = fuzz(hostile("Trusting", "Following"), n=1, corpus=tmp_path)
    counts = {tally.sample: tally for tally in tallies}
    for name in ("hostile/trusting", "hostile/following"):
        assert counts[name + HOSTILE].counts["escaped"]
        assert counts[name + HOSTILE].failed


@SERVICE
@pytest.mark.slow
@pytest.mark.parametrize("name", ["bangla", "biomed", "crash", "language", "pde", "seismic"])
def test_no_hostile_file_of_any_format_escapes(name, tmp_path):
    """For each place that meets a pickle, a link out of a file, or a size that no machine has."""
    tallies, _ = fuzz(discovery.record(name), n=1, corpus=tmp_path)
    found = [tally for tally in tallies if tally.sample.endswith(HOSTILE)]
    assert found
    for tally in found:
        assert not tally.failed, (tally.sample, tally.cases)
