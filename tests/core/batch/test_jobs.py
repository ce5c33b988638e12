"""Which file each source becomes, and what is refused before anything starts."""

from pathlib import Path

import pytest
from case_table import table

from scionwood import ReadError
from scionwood_batch import jobs_for, jobs_over
from scionwood_batch.errors import BatchError
from scionwood_batch.jobs import Job, check_targets, fixed_folder, parse_over


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.sgy", "in/a.sgy", "in/.hidden", "in/manifest.jsonl", "in/deep/c.sgy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "in/store.zarr").mkdir()
    (tmp_path / "in/store.zarr/zarr.json").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["in/b.sgy", "in/a.sgy"], ["b.sgy", "a.sgy"]),
        (["in/*.sgy"], ["a.sgy", "b.sgy"]),
        (["in/**/*.sgy"], ["a.sgy", "b.sgy", "c.sgy"]),
        (["in"], ["a.sgy", "b.sgy", "store.zarr"]),
        (["in/store.zarr"], ["store.zarr"]),
        (["in/a.sgy", "in/*.sgy", "./in/../in/a.sgy"], ["a.sgy", "b.sgy"]),
    ],
)
def test_sources_are_files_patterns_folders_and_stores(folder, sources, names):
    assert [job.source.name for job in jobs_for(sources, "out/{name}")] == names


def test_the_fields_of_a_source(folder):
    (job,) = jobs_for(["in/a.sgy"], "{parent}/{stem}.clean{suffix}/{name}")
    assert job.target == Path("in/a.clean.sgy/a.sgy")


@pytest.mark.parametrize(
    ("sources", "target", "message"),
    [
        (["in/a.sgy"], "out/{foo}.sgy", r"no field \{foo\}.*\{stem\}"),
        (["in/a.sgy"], "out/{stem.__class__}", "no field"),
        (["in/a.sgy"], "out/{}", "no field"),
        (["in/a.sgy"], "out/all.sgy", "all jobs would write to one file"),
        (["in/a.sgy"], "out/{stem", "Write {{ for a brace"),
        (["in/a.sgy"], "out/{stem:04d}", "Correct the field's format"),
        (["in/**/*.sgy"], "out/{suffix}", "in/a.sgy and in/b.sgy would both be written"),
        (["in/a.sgy"], "in/{name}", "a source and a target"),
        (["in/*.sgy"], "in/../in/{stem}.sgy", "a source and a target"),
    ],
)
def test_targets_that_cannot_be_are_refused(folder, sources, target, message):
    with pytest.raises(BatchError, match=message):
        jobs_for(sources, target)


def test_names_that_differ_in_case_only_would_be_one_file_on_other_systems(folder):
    (folder / "in/A.sgy").touch()
    with pytest.raises(BatchError, match="would both be written"):
        jobs_for(["in/*.sgy"], "out/{name}")


def test_a_link_to_a_source_is_that_source(folder):
    (folder / "link.sgy").symlink_to(folder / "in/a.sgy")
    with pytest.raises(BatchError, match="a source and a target"):
        check_targets([Job(Path("link.sgy"), Path("in/a.sgy"))])


@pytest.mark.parametrize(
    ("source", "message"),
    [("in/none.sgy", "no such file"), ("in/*.none", "no file matches"), ("in/empty", "no files")],
)
def test_sources_that_are_not_there_are_refused(folder, source, message):
    (folder / "in/empty").mkdir()
    with pytest.raises(ReadError, match=message):
        jobs_for([source], "out/{name}")


def test_values_of_an_option_become_jobs():
    name, values = parse_over("seed=8:11")
    jobs = jobs_over(name, values, "d/{seed:04}.zarr")
    assert [job.target.name for job in jobs] == ["0008.zarr", "0009.zarr", "0010.zarr"]
    assert jobs[0].words(["--n", "1"]) == ["--n", "1", "--seed=8"]
    assert parse_over("n-steps=0:10:5") == ("n_steps", range(0, 10, 5))


@table("text", ["seed", "seed=3", "seed=a:b", "seed=5:5", "=1:2", "seed=0:9:0"])
def test_a_range_that_is_none_is_refused(text):
    with pytest.raises(BatchError, match="--over seed=0:1000"):
        parse_over(text)


def test_values_that_would_become_one_file_are_refused():
    with pytest.raises(BatchError, match="--seed=100 and --seed=101"):
        jobs_over("seed", range(100, 102), "d/{seed:.1e}.zarr")


def test_fields_in_options_are_replaced_and_other_braces_are_not(folder):
    (job,) = jobs_for(["in/a.sgy"], "out/{name}")
    words = job.words(["--qc", "qc/{stem}.png", r"\d{3}", "{other}", "{stem:>4}"])
    assert words == ["--qc", "qc/a.png", r"\d{3}", "{other}", "   a"]


@table(
    ("target", "folder"),
    [("out/{stem}.sgy", "out"), ("{stem}.sgy", "."), ("/a/b/{parent}/{stem}", "/a/b")],
)
def test_the_manifest_is_above_the_first_field(target, folder):
    assert fixed_folder(target) == Path(folder)
