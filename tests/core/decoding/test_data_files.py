"""The files of a data set: one child for a folder, and what is done with files that are bad."""

import os
import pickle
from pathlib import Path

import pytest
from system_needs import NEEDS_LINUX
from torch.utils.data import Dataset

import scionwood
from scionwood.training.data_files import SKIPPED, reuse_skipped_files, write_skipped

pytestmark = NEEDS_LINUX
COUNT = 24


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setenv("SCIONWOOD_READERS", "service")


@pytest.fixture
def folder(tmp_path):
    """Eight files, three of which kill their reader: one at its opening, two when it reads."""
    words = {1: "abort", 4: "later", 6: "segv"}
    (tmp_path / "data").mkdir()
    for number in range(8):
        path = tmp_path / "data" / f"{number}.hostile"
        path.write_text(words.get(number, "good"), "utf-8")
    return tmp_path / "data"


def length(kind, *, whole=False):
    """Return what asks a file for its length, or reads all of it."""

    def read(path):
        with kind(path) as reader:
            return len(list(reader) if whole else reader)

    return read


def readable(files, folder, hostile, *, whole=True):
    more = [length(hostile, whole=True)] if whole else []
    return files.readable(sorted(folder.iterdir()), length(hostile), *more)


def names(paths):
    return "".join(Path(path).stem for path in paths)


class Numbers(Dataset):
    """Reads a file for each item, and says how its process reads."""

    def __init__(self, kind, files, paths):
        self.kind, self.files, self.paths = kind, files, paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with self.files.one_child(self.paths[index]), self.kind(self.paths[index]) as reader:
            value = float(reader.read(0).data[3])
        channels = [c for s in self.files._sessions.values() for c in s._channels.values()]
        opened = sum(channel.opened for channel in channels)
        return value, len(os.listdir("/proc/self/fd")), opened, len(channels)


def test_files_that_kill_their_reader_are_skipped_with_the_reason(service, folder, hostile, caplog):
    files = scionwood.authoring.DataFiles("skip", [folder])
    kept = readable(files, folder, hostile)
    assert names(kept) == "02357"
    assert names(files.skipped) == "146"
    reasons = "".join(files.skipped.values())
    assert reasons.count("died of SIGABRT") == 2
    assert reasons.count("died of SIGSEGV") == 1
    assert len(caplog.records) == 3
    assert files.count == 8


def test_without_skip_the_first_bad_file_stops(service, folder, hostile):
    files = scionwood.authoring.DataFiles("raise", [folder])
    with pytest.raises(scionwood.ReadError, match=r"1\.hostile.*SIGABRT"):
        readable(files, folder, hostile, whole=False)


def test_more_than_half_of_bad_files_is_refused(service, folder, hostile):
    for number in (2, 3):
        (folder / f"{number}.hostile").write_text("abort", "utf-8")
    files = scionwood.authoring.DataFiles("skip", [folder])
    with pytest.raises(scionwood.ReadError, match=r"5 of 8 files.*1\.hostile is the first"):
        readable(files, folder, hostile)


def test_a_run_that_goes_on_skips_the_same_files(service, folder, hostile, tmp_path):
    first = scionwood.authoring.DataFiles("skip", [folder])
    kept = readable(first, folder, hostile)
    write_skipped(tmp_path, first)
    (folder / "1.hostile").write_text("good", "utf-8")  # mended meanwhile
    with reuse_skipped_files(tmp_path):
        again = scionwood.authoring.DataFiles("skip", [folder])
    assert readable(again, folder, hostile, whole=False) == kept
    assert again.skipped == first.skipped
    assert (tmp_path / SKIPPED).read_text("utf-8").startswith("file,reason\n")
    (folder / "7.hostile").write_text("abort", "utf-8")  # broken meanwhile
    with pytest.raises(scionwood.ReadError, match=r"7\.hostile.*Restore the file and resume"):
        readable(again, folder, hostile, whole=False)
    with reuse_skipped_files(None):
        new = scionwood.authoring.DataFiles("skip", [folder])
    assert names(readable(new, folder, hostile)) == "01235"


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_each_worker_reads_its_files_with_one_child(service, start, hostile, tmp_path):
    paths = [tmp_path / f"{number}.hostile" for number in range(COUNT)]
    for path in paths:
        path.write_text("good", "utf-8")
    files = scionwood.authoring.DataFiles("raise", [f"{tmp_path}/*.hostile"])
    files.readable(paths, length(hostile))  # a forked worker inherits this child
    loader = scionwood.authoring.DataLoader(
        Numbers(hostile, files, paths),
        None,
        num_workers=2,
        multiprocessing_context=start,
    )
    values, descriptors, opened, channels = zip(*loader, strict=True)
    assert values == (3.0,) * COUNT
    assert sorted(opened) == sorted([*range(1, COUNT // 2 + 1)] * 2)  # one child a worker
    assert set(channels) == {1}
    for worker in (0, 1):  # a leak grows at each file; a collection of garbage changes it once
        assert len({*descriptors[worker + 2 :: 2]}) <= 2


def test_a_link_out_of_the_folder_is_not_read(service, hostile, tmp_path):
    (tmp_path / "secret.hostile").write_text("good", "utf-8")
    (tmp_path / "data").mkdir()
    link = tmp_path / "data" / "a.hostile"
    link.symlink_to(tmp_path / "secret.hostile")
    named = scionwood.authoring.DataFiles("raise", [link])
    assert named.readable([link], length(hostile)) == {link: 1}
    listed = scionwood.authoring.DataFiles("raise", [tmp_path / "data"])
    with pytest.raises(scionwood.ReadError, match="outside of the folder"):
        listed.readable([link], length(hostile))


def test_a_reader_that_is_sent_opens_its_file_when_it_is_asked(service, hostile, written):
    path = written("good")
    with hostile(path, scale=2.0) as reader:
        copy = pickle.loads(pickle.dumps(reader))
    assert "_channel" not in vars(copy)
    assert (copy.scale, len(copy)) == (2.0, 1)
    with copy:
        assert copy.read(0).data[3] == 6.0
