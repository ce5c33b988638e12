"""Reader checks: each broken reader is caught by the check of its rule."""

import pytest

from scionwood_kit import CheckFailure
from scionwood_kit.checks.readers import (
    check_readers_read_their_sample,
    check_readers_refuse_damage,
    check_readers_rewrite,
    check_readers_write_all_or_nothing,
)

YIELD = "yield Record({"
RULES = {
    check_readers_read_their_sample: [
        ('suffixes = (".csv",)', 'suffixes = ("csv",)', "a suffix starts with a dot"),
        ('"channel": "name",', "", "no unit of channel"),
        ("return 1", "return 2", "len.. 2, records 1"),
        ('dims = ("channel", "time")', 'dims = ("time",)', r"its axes are \('time',\)"),
        ('dtype = "float64"', 'dtype = "float32"', "float64: its dtype is float32"),
        ('{"series": self.path.stem}', "{}", "a key says which record it is"),
        (
            '"channel": np.array(["forcing", "response"])',
            '"depth": np.zeros(2)',
            r"coords\['depth'\]",
        ),
        ("self._table[:, 0], ", "self._table[::-1, 0] % 3, ", "coordinate is monotonic"),
        ("self._table[:, 0], ", "self._table[1:, 0], ", "one value for each index"),
        (YIELD, f"self._table += 1; {YIELD}", "a file can be read twice"),
    ],
    check_readers_refuse_damage: [
        (
            '"CSV series")',
            '"CSV series", passing=(UnicodeError,))',
            "random file: it raises Unicode",
        ),
        ('"CSV series")', '"CSV series", passing=(OSError,))', "missing file.*FileNotFoundError"),
        ("header.strip() != HEADER or", "int(header) or", "text file: it raises ValueError"),
        ("{path}", "the file", "does not name the file"),
        ("CSV series", "thing", "does not name the format"),
        (
            ', "Rename its columns, or copy the file again")',
            ")",
            "empty file: it gives no rule or no remedy",
        ),
    ],
    check_readers_rewrite: [
        ('record.coords["time"], data.T', 'record.coords["time"] + 1, data.T', "the bytes differ"),
        ("data.T])", "record.data.T])", "flipped data is not read back"),
    ],
    check_readers_write_all_or_nothing: [
        (
            "record = next(iter(self))",
            "target.touch(); record = next(iter(self))",
            "target.* is left",
        ),
        ("if data.shape != record.data.shape:", "if False:", "it raises WriteError"),
        ("overwrite=overwrite", "overwrite=True", "the target exists: None"),
    ],
}
"""For each check, a text of the reader, what takes its place, and what is said then."""


@pytest.mark.parametrize(
    ("check", "old", "new", "message"),
    [(check, *row) for check, rows in RULES.items() for row in rows],
)
def test_a_reader_that_breaks_a_rule_is_caught(sample, check, old, new, message):
    sample.change("readers.py", old, new)
    with pytest.raises(CheckFailure, match=message):
        check(sample.plugin())


def test_a_reader_that_drops_a_line_that_is_cut_is_caught(sample):
    sample.change("readers.py", 'body.strip() and body.endswith("\\n")', "body.strip()")
    sample.change("readers.py", "StringIO(body)", 'StringIO(body[: body.rfind("\\n")])')
    with pytest.raises(CheckFailure, match="cut file: it is read without an error"):
        check_readers_refuse_damage(sample.plugin())
