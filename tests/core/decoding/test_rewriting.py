"""A rewrite that was stopped in a child is resumed, in a child or inline, byte for byte."""

import numpy as np
import pytest
from system_needs import NEEDS_LINUX

import scionwood
from scionwood_sandbox import open_in_child

pytestmark = NEEDS_LINUX


class Halve:
    """Work with a name, which an error may stop at a record."""

    def __init__(self, error=None, at=2):
        self.identity, self.error, self.at, self.calls = {"factor": 0.5}, error, at, 0

    def __call__(self, record):
        self.calls += 1
        if self.error is not None and self.calls == self.at:
            raise self.error
        return record.data * np.float32(0.5)


@pytest.fixture
def segy(tmp_path):
    cls = pytest.importorskip("scionwood_seismic.readers.segy").SegyReader
    cls.write_sample(tmp_path / "in.sgy")
    return cls


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def opened(cls, path, in_child):
    options = {"gather": "fldr"}
    return open_in_child(cls, path, **options) if in_child else cls(path, **options)


@pytest.mark.parametrize("stopped_in_child", [True, False])
@pytest.mark.parametrize("resumed_in_child", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_stopped_rewrite_is_resumed(stopped_in_child, resumed_in_child, error, segy, tmp_path):
    source, target = tmp_path / "in.sgy", tmp_path / "out.sgy"
    with opened(segy, source, stopped_in_child) as reader, pytest.raises(error):
        reader.rewrite(target, Halve(error()))
    assert names(tmp_path) == [".out.sgy.part", ".out.sgy.part.json", "in.sgy"]
    with opened(segy, source, resumed_in_child) as reader:
        with pytest.raises(scionwood.WriteError, match="--resume continues it"):
            reader.rewrite(target, Halve())
        work = Halve()
        reader.rewrite(target, work, resume=True)
        assert reader.resumed == 12
    assert work.calls == 1
    with opened(segy, source, in_child=False) as reader:
        reader.rewrite(tmp_path / "whole.sgy", Halve())
    assert target.read_bytes() == (tmp_path / "whole.sgy").read_bytes()
    assert names(tmp_path) == ["in.sgy", "out.sgy", "whole.sgy"]


@pytest.mark.parametrize(
    "error", [scionwood.ReadError("data", "bad", "Mend"), OSError(28, "No space left on device")]
)
def test_an_error_of_the_data_or_the_disk_leaves_nothing(error, segy, tmp_path):
    refused = pytest.raises((scionwood.ReadError, scionwood.WriteError), match=r"bad|No space")
    with opened(segy, tmp_path / "in.sgy", in_child=True) as reader, refused:
        reader.rewrite(tmp_path / "out.sgy", Halve(error))
    assert names(tmp_path) == ["in.sgy"]


def test_what_is_being_written_inline_is_refused_by_name(segy, tmp_path):
    target = tmp_path / "out.sgy"

    def second(record):
        if not refused:
            with opened(segy, tmp_path / "in.sgy", in_child=True) as other:
                with pytest.raises(scionwood.WriteError, match="another process is writing") as got:
                    other.rewrite(target, Halve(), resume=True)
                refused.append(str(got.value))
        return record.data

    refused = []
    second.identity = {"factor": 0.5}
    with opened(segy, tmp_path / "in.sgy", in_child=False) as reader:
        reader.rewrite(target, second)
    assert refused[0].startswith(f"{target}: ")  # and not the folder of the child
    assert names(tmp_path) == ["in.sgy", "out.sgy"]


def test_what_a_killed_process_left_is_removed_by_the_next(segy, tmp_path):
    left, other = tmp_path / ".out.sgy.sandbox-abc", tmp_path / ".out.sgy-mine"
    left.mkdir()
    other.mkdir()
    with opened(segy, tmp_path / "in.sgy", in_child=True) as reader:
        reader.rewrite(tmp_path / "out.sgy", Halve())
    assert names(tmp_path) == [".out.sgy-mine", "in.sgy", "out.sgy"]
