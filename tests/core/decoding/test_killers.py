"""Files that kill a library end as errors that name the file, the format and the cause.

Where a cheap rule tells such a file, its reader refuses it before the library is asked. The others
kill a child.
"""

import warnings

import killer_files
import pytest
from case_table import table
from system_needs import NEEDS_LINUX

import scionwood
from scionwood_sandbox import Limits, Session, open_in_child

NEEDS = {"seismic/das": "dascore", "biomed/slide": "tiffslide", "biomed/dicom": "gdcm"}


def reader_of(killer):
    if killer.reader.partition("/")[0] not in [
        entry.name for entry in scionwood.authoring.plugins()
    ]:
        pytest.skip(f"the plugin of {killer.reader} is not installed")
    if killer.reader in NEEDS:
        pytest.importorskip(NEEDS[killer.reader])
    return scionwood.load("readers", killer.reader)


def refusal(opened, killer):
    """Return the error of reading a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures
        with pytest.raises(scionwood.ReadError, match=killer.cause) as caught, opened() as reader:
            list(reader)
    return caught.value


@table("name", killer_files.REFUSED)
def test_a_rule_refuses_the_file_before_a_library_dies(name, tmp_path):
    killer = killer_files.REFUSED[name]
    cls = reader_of(killer)
    path = killer.write(tmp_path)
    error = refusal(lambda: cls(path, **killer.options), killer)
    assert str(path) in str(error)
    assert error.remedy


@NEEDS_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("name", [*killer_files.REFUSED, *killer_files.DEADLY])
def test_a_child_ends_such_a_file_as_an_error_and_the_next_is_read(name, tmp_path):
    killer = (killer_files.REFUSED | killer_files.DEADLY)[name]
    cls = reader_of(killer)
    path, good = killer.write(tmp_path), tmp_path / f"good{killer.name[1:]}"
    cls.write_sample(good)
    with Session(tmp_path, limits=Limits(cpu=4)):
        error = refusal(lambda: open_in_child(cls, path, **killer.options), killer)
        assert str(path) in str(error)
        if name in killer_files.DEADLY:
            assert f"{cls.__name__} ({cls.suffixes[0]}" in str(error)
        with open_in_child(cls, good, **killer.options) as reader:
            assert len(list(reader)) == len(reader) > 0
