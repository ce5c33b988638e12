"""Functions that read a file run in a child, and come back with plain data."""

import os

import numpy as np
import pytest
from system_needs import NEEDS_LINUX, NEEDS_WALLS

import scionwood
from scionwood_sandbox import Session, call_in_child

pytestmark = NEEDS_LINUX


@pytest.fixture(autouse=True)
def service(monkeypatch):
    monkeypatch.setenv("SCIONWOOD_READERS", "service")


def test_plain_data_come_back_from_another_process(called, written):
    path = written("text")
    answer = call_in_child(called.describe, path, factor=2)
    assert (answer["text"], answer["word"]) == ("text", {"a"})
    np.testing.assert_array_equal(answer["values"], np.arange(20_000, dtype="f4") * 2)
    assert answer["where"][0] == path
    assert answer["where"][1] != os.getpid()


def test_a_disk_that_is_mounted_later_is_seen(called, written, disk):
    call_in_child(called.describe, written("text"))  # the service runs from here on
    path = disk("64k") / "there.txt"
    path.write_text("text")
    assert call_in_child(called.describe, path)["text"] == "text"


@pytest.mark.parametrize("choice", ["inline", ""])
def test_inline_it_is_a_plain_call(choice, called, written, monkeypatch):
    monkeypatch.setenv("SCIONWOOD_READERS", choice)
    assert call_in_child(called.describe, written("text"))["where"][1] == os.getpid()


def test_a_generator_comes_in_parts_and_its_error_after_them(called, written):
    path = written("\n".join(map(str, range(500))))
    rows = call_in_child(called.lines, path)
    assert [row.data[0] for row in rows] == list(range(500))
    rows = call_in_child(called.lines, path, after=100)
    read = []
    with pytest.raises(scionwood.ReadError, match="its rows are bad"):
        read.extend(row.key["row"] for row in rows)
    assert read == list(range(100))


def test_a_generator_that_is_left_ends_its_child(called, written):
    before = len(os.listdir("/proc/self/fd"))
    rows = call_in_child(called.lines, written("1\n2\n3"))
    assert next(rows).data[0] == 1
    rows.close()
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # the first call started the service


@pytest.mark.parametrize(
    ("name", "kind", "cause"),
    [
        ("kill", scionwood.ReadError, "kill: its decoder died of SIGABRT"),
        ("nothing_annotated", scionwood.ReadError, "returned an object of type list"),
        ("nothing_plain", scionwood.ReadError, "nothing_plain: .*object is no plain data"),
    ],
)
def test_a_failure_is_an_error_that_names_file_and_function(name, kind, cause, called, written):
    path = written("text")
    with pytest.raises(kind, match=cause) as caught:
        call_in_child(getattr(called, name), path)
    assert str(path) in str(caught.value)


def test_warnings_come_before_an_error_of_the_function(called, written):
    refused = pytest.raises(scionwood.RecipeError, match="columns: none is known")
    with pytest.warns(UserWarning, match="cells are left out"), refused:
        call_in_child(called.warn_and_refuse, written("text"))


@NEEDS_WALLS
def test_a_function_opens_no_other_file(called, written, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("canary", "utf-8")
    with pytest.raises(scionwood.ReadError, match="PermissionError"):
        call_in_child(called.open_other, written("text"), str(secret))


def test_a_session_serves_functions_and_readers_with_its_children(called, hostile, tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.hostile").write_text("good", "utf-8")
    with Session(tmp_path):
        places = {
            call_in_child(called.describe, tmp_path / f"{number}.hostile")["where"][1]
            for number in range(3)
        }
    assert len(places) == 1


def test_one_child_is_that_of_an_outer_session(hostile, written, tmp_path):
    path = written("good")
    with scionwood.authoring.one_child(tmp_path):
        with hostile(path) as first:
            pass
        with scionwood.authoring.one_child(tmp_path), hostile(path) as second:
            assert second._channel is first._channel


@pytest.mark.parametrize("choice", ["", "inline"])
def test_one_child_is_none_inline(choice, hostile, written, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIONWOOD_READERS", choice)
    with scionwood.authoring.one_child(tmp_path), hostile(written("good")) as reader:
        assert type(reader) is hostile
