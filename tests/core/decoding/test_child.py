"""A file that kills, hangs or swells its reader is an error, and the next file is read."""

import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from called import values
from system_needs import NEEDS_LINUX, NEEDS_WALLS

import scionwood
from scionwood_sandbox import Limits, Session, open_in_child
from scionwood_sandbox.decoding import control

pytestmark = NEEDS_LINUX


# The first two end a process that then is charged to them: the service has done little so far.
def test_a_killed_service_starts_again(hostile, written):
    path = written("good")
    open_in_child(hostile, path).close()
    control.connected().process.kill()
    with open_in_child(hostile, path) as reader:
        assert values(reader) == [[0, 1, 2, 3]]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_process_gets_a_child_of_its_own(method, hostile, written):
    with open_in_child(hostile, written("good")) as reader:
        context = multiprocessing.get_context(method)
        with context.Pool(1) as pool:  # its processes are daemons, as those of a DataLoader
            assert pool.apply_async(values, (reader,)).get(300) == [[0, 1, 2, 3]]
        assert values(reader) == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("segv", "died of SIGSEGV"),
        ("abort", "died of SIGABRT"),
        ("bus", "died of SIGBUS"),
        ("exit", "ended with status 3"),
        ("hang", "more than 1 s of CPU"),
        ("sleep", "no answer for 1 s"),
        ("memory", "more memory than 1024 MiB"),
        ("foreign", "its reader failed (KeyError"),
        ("forged", "outside of the protocol"),
    ],
)
def test_a_file_that_ends_its_reader_is_an_error_and_the_next_is_read(
    word, cause, hostile, written, tmp_path
):
    bad, good = written(word), written("good", "b.hostile")
    with Session(tmp_path, limits=Limits(cpu=1, wall=1 if word == "sleep" else 30)):
        with pytest.raises(scionwood.ReadError) as caught:
            open_in_child(hostile, bad)
        for part in (str(bad), "HostileReader (.hostile)", cause):
            assert part in str(caught.value)
        with open_in_child(hostile, good) as reader:
            assert values(reader) == [[0, 1, 2, 3]]


def test_a_death_while_records_are_read_is_an_error_each_time(hostile, written):
    with open_in_child(hostile, written("later")) as reader:
        for _ in range(2):
            with pytest.raises(scionwood.ReadError, match="SIGABRT"):
                values(reader)


@NEEDS_WALLS
@pytest.mark.parametrize("word", ["network", "program", "signal"])
def test_a_child_reaches_nothing_but_its_file(word, hostile, written):
    with pytest.raises(scionwood.ReadError, match="PermissionError"):
        open_in_child(hostile, written(word))


@NEEDS_WALLS
@pytest.mark.parametrize("session", [False, True])
def test_a_child_opens_neither_other_files_nor_links_to_them(
    session, hostile, written, tmp_path, tmp_path_factory
):
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("canary", "utf-8")
    (tmp_path / "link").symlink_to(secret)
    (tmp_path / "folder").mkdir()
    named = [secret, tmp_path / "link", os.path.relpath(secret, tmp_path), Path("/etc/passwd")]
    for number, name in enumerate(named):
        bad = written(f"open {name}", f"{number}.hostile")
        refused = pytest.raises(scionwood.ReadError, match=r"PermissionError|No such file")
        with Session(tmp_path if session else tmp_path / "folder"), refused:
            open_in_child(hostile, bad)
    for target in (tmp_path / "new", secret):
        with pytest.raises(scionwood.ReadError, match="PermissionError"):
            open_in_child(hostile, written(f"write {target}"))
    assert secret.read_text("utf-8") == "canary"
    assert not (tmp_path / "new").exists()


def test_one_child_serves_a_folder_and_a_child_each_file_elsewhere(hostile, written, tmp_path):
    def served(count):
        for number in range(count):
            with open_in_child(hostile, written("good", f"{number}.hostile")) as reader:
                yield reader._channel.process.handle, reader._channel

    with Session(tmp_path):
        assert len({channel for _, channel in served(5)}) == 1
    assert len({channel for _, channel in served(3)}) == 3


@pytest.mark.parametrize(
    ("session", "count"),
    [
        (True, 60),
        (False, 20),
        pytest.param(True, 2000, marks=pytest.mark.slow),
        pytest.param(False, 60, marks=pytest.mark.slow),
    ],
)
def test_descriptors_do_not_grow_from_file_to_file(session, count, hostile, written, tmp_path):
    good, bad = written("good"), written("foreign", "b.hostile")

    def read(times):
        for number in range(times):
            if number % 10 == 9:
                with pytest.raises(scionwood.ReadError):
                    open_in_child(hostile, bad)
            else:
                with open_in_child(hostile, good) as reader:
                    assert len(values(reader)) == 1
        return len(os.listdir("/proc/self/fd")), zygote_descriptors()

    def zygote_descriptors():
        return len(os.listdir(f"/proc/{control.connected().process.pid}/fd"))

    with Session(tmp_path if session else tmp_path / "other"):
        before = read(10)
        after = read(count)
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 4  # children that end now still hold two each


def test_the_object_is_a_reader_with_its_options_and_attributes(hostile, written):
    with open_in_child(hostile, written("good"), scale=2.0) as reader:
        assert isinstance(reader, hostile)
        assert (reader.scale, reader.word, len(reader)) == (2.0, "good", 1)
        assert reader.read(0).data.tolist() == [0, 2, 4, 6]
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            reader.nothing  # noqa: B018
        copy = pickle.loads(pickle.dumps(reader))
    with copy:
        assert values(copy) == [[0, 2, 4, 6]]


def test_warnings_of_a_reader_reach_the_caller(hostile, written):
    with open_in_child(hostile, written("warn")) as reader:
        for _ in range(2):
            with pytest.warns(UserWarning, match="samples were rounded"):
                assert values(reader) == [[0, 1, 2, 3]]


def test_rewrite_runs_in_a_child_and_calls_back(hostile, written, tmp_path):
    target = tmp_path / "b.hostile"
    with open_in_child(hostile, written("good")) as reader:
        reader.rewrite(target, lambda record: record.data + 1)
        assert target.read_text("utf-8") == "good 1.0 2.0 3.0 4.0"
        with pytest.raises(scionwood.OutputExistsError):
            reader.rewrite(target, lambda record: record.data)
        with pytest.raises(ZeroDivisionError):
            reader.rewrite(target, lambda record: 1 / 0, overwrite=True)
    assert target.read_text("utf-8") == "good 1.0 2.0 3.0 4.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.hostile", "b.hostile"]


def test_the_variable_switches_readers_to_the_service(hostile, written, monkeypatch):
    assert type(hostile(written("good"))) is hostile
    monkeypatch.setenv("SCIONWOOD_READERS", "service")
    with hostile(written("good"), scale=3.0) as reader:
        assert type(reader) is not hostile
        assert np.array_equal(reader.read(0).data, [0, 3, 6, 9])
    with pytest.raises(scionwood.ReadError, match="SIGSEGV"):
        hostile(written("segv"))
    monkeypatch.setenv("SCIONWOOD_READERS", "sometimes")
    with pytest.raises(scionwood.ReadError, match="it is one of inline, service, strict, plain"):
        hostile(written("good"))


def test_a_reader_that_no_child_can_import_is_refused(hostile, written):
    class Local(hostile):
        pass

    with pytest.raises(scionwood.ReadError, match="defined in a script or a function"):
        open_in_child(Local, written("good"))
