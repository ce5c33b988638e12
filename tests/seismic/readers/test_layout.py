"""Bad files are refused before their headers are used."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from case_table import table

from scionwood import ReadError
from scionwood_seismic.readers.layout import Layout, read_layout

Damage = Callable[[bytes], bytes]


def with_field(raw: bytes, byte: int, value: int) -> bytes:
    """Set a big-endian 16 bit field of the binary header at a byte, counted from 1."""
    return raw[: byte - 1] + struct.pack(">h", value) + raw[byte + 1 :]


BAD: dict[str, tuple[Damage, str]] = {
    "empty": (lambda raw: b"", r"begins with 3600 bytes.*has 0"),
    "headers cut": (lambda raw: raw[:3000], r"begins with 3600 bytes.*copied whole"),
    "truncated": (lambda raw: raw[:-17], r"ends 383 bytes into trace 48.*[Cc]ut short"),
    "bytes added": (lambda raw: raw + b"123", r"ends 3 bytes into trace 49"),
    "a text file": (lambda raw: b"time,amplitude\n" * 400, r"not SEG-Y: bytes 3225-3226"),
    "zero traces": (lambda raw: raw[:3600], r"no traces.*Export"),
    "no samples": (lambda raw: with_field(raw, 3221, 0), r"0 samples a trace"),
    "unknown extended headers": (
        lambda raw: with_field(raw, 3505, -2),
        r"-2 extended text headers",
    ),
    "extended headers without an end": (
        lambda raw: with_field(raw, 3505, -1),
        r"none ends with \(\(SEG: EndText\)\)",
    ),
    "fixed point with gain": (lambda raw: with_field(raw, 3225, 4), r"format 4.*only 1, 2.*IEEE"),
    "a code of the future": (lambda raw: with_field(raw, 3225, 14), r"format 14 is not supported"),
    "more trace headers than bytes": (
        lambda raw: with_field(with_field(raw, 3501, 0x0200), 3507, 0x7000),
        r"extensions of each trace header .* do not fit",
    ),
    "bytes swapped in pairs": (
        lambda raw: raw[:3296] + bytes([2, 1, 4, 3]) + raw[3300:],
        r"swapped in pairs",
    ),
}


@table("case", BAD)
def test_refuses_a_bad_file_with_rule_and_remedy(segy, case):
    damage, message = BAD[case]
    path = segy()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ReadError, match=f"in\\.sgy: .*{message}") as caught:
        read_layout(path)
    assert caught.value.remedy


def test_refuses_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(ReadError, match=r"none\.sgy.*no such file"):
        read_layout(tmp_path / "none.sgy")
    with pytest.raises(ReadError, match="it is a folder"):
        read_layout(tmp_path)


def test_extended_text_headers_are_skipped(segy):
    path = segy()
    raw = with_field(path.read_bytes(), 3505, 2)
    path.write_bytes(raw[:3600] + b"@" * 6400 + raw[3600:])
    layout = read_layout(path)
    assert (layout.start, layout.traces) == (10000, 48)


class TestRevision2:
    """Fields that earlier revisions leave unassigned are used only for revision 2."""

    @pytest.fixture
    def raw(self, segy: Callable[..., Path]) -> bytearray:
        return bytearray(segy().read_bytes())

    def layout(self, raw: bytearray, tmp_path: Path) -> Layout:
        (tmp_path / "new.sgy").write_bytes(raw)
        return read_layout(tmp_path / "new.sgy")

    def test_reads_more_samples_than_16_bits_can_count(self, raw, tmp_path):
        struct.pack_into(">i", raw, 3268, 100_000)
        assert self.layout(raw, tmp_path).samples == 40
        raw[3500] = 2
        raw[3600:] = bytes(240 + 4 * 100_000)
        assert self.layout(raw, tmp_path).samples == 100_000

    def test_reads_an_interval_with_fractions_of_a_microsecond(self, raw, tmp_path):
        struct.pack_into(">d", raw, 3272, 12.5)
        assert self.layout(raw, tmp_path).interval == 4000
        raw[3500] = 2
        assert self.layout(raw, tmp_path).interval == 12.5

    def test_ignores_text_after_the_last_trace(self, raw, tmp_path):
        raw[3500] = 2
        struct.pack_into(">i", raw, 3528, 2)
        assert self.layout(raw + b"@" * 6400, tmp_path).traces == 48
