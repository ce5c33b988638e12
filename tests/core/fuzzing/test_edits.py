"""Mutations are seeded, and damaged members get right lengths and checksums."""

import gzip
import io
import json
import struct
import tarfile
import xml.etree.ElementTree as ET
import zipfile
import zlib

import pytest
from case_table import table

from scionwood_kit.fuzzing import containers
from scionwood_kit.fuzzing.edits import Edit, changed
from scionwood_kit.fuzzing.mutations import propose
from scionwood_kit.fuzzing.trial import minimised

XML = b'<?xml version="1.0"?><grid rows="12"><name>shot 1</name><size x="3" y="4.5"/></grid>'


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def picture():
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\x7f")
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_a_member_of_a_zip_archive_is_changed_and_its_checksum_mended():
    data = zipped({"a": b"one", "b": b"two"})
    after = Edit("f", ("zip:1",), at=0, remove=3, insert=b"three".hex()).applied(data)
    with zipfile.ZipFile(io.BytesIO(after)) as archive:
        assert archive.testzip() is None
        assert (archive.read("a"), archive.read("b")) == (b"one", b"three")


def test_a_member_of_a_tar_archive_may_grow():
    data = tarred({"a": b"one", "b": b"two"})
    after = Edit("f", ("tar:0",), at=1, insert="ff", times=1000).applied(data)
    with tarfile.open(fileobj=io.BytesIO(after)) as archive:
        sizes = [info.size for info in archive.getmembers()]
        assert sizes == [1003, 3]
        assert archive.extractfile("b").read() == b"two"


def test_the_header_of_a_tar_member_gets_a_right_checksum():
    data = tarred({"a": b"one"})
    after = Edit("f", ("tarhead:0",), at=0, remove=1, insert=b"z".hex()).applied(data)
    with tarfile.open(fileobj=io.BytesIO(after)) as archive:
        assert archive.getnames() == ["z"]


def test_a_chunk_of_a_png_is_changed_and_decoded():
    image = pytest.importorskip("PIL.Image")
    edit = Edit("f", ("png:1", "zlib:0"), at=1, remove=1, insert="05")
    with image.open(io.BytesIO(edit.applied(picture()))) as opened:
        assert opened.getpixel((0, 0)) == 5


def test_what_gzip_holds_is_changed():
    after = Edit("f", ("gzip:0",), at=1, remove=1).applied(gzip.compress(b"abc"))
    assert gzip.decompress(after) == b"ac"


def test_members_inside_members_are_found():
    data = zipped({"a.gz": gzip.compress(tarred({"x": b"deep"}))})
    assert containers.members(data) == ["zip:0"]
    edit = Edit("f", ("zip:0", "gzip:0", "tar:0"), at=0, remove=4, insert=b"DEEP".hex())
    assert b"DEEP" in gzip.decompress(containers.member(edit.applied(data), "zip:0"))


@table("member", ["zip:9", "gzip:0", "png:2", "tar:1", "tarhead:0", "zlib:0"])
def test_an_edit_of_a_member_that_is_gone_changes_nothing(member):
    assert Edit("f", (member,), insert="00").applied(b"plain text") == b"plain text"


def test_the_same_seed_gives_the_same_mutation_and_another_seed_another():
    tree = {"a.bin": bytes(range(200)), "b.txt": b"1 2 3 word\n" * 9}
    first = [propose(tree, "a.bin", f"7 {n}") for n in range(50)]
    assert first == [propose(tree, "a.bin", f"7 {n}") for n in range(50)]
    assert first != [propose(tree, "a.bin", f"8 {n}") for n in range(50)]
    assert {edit.file for edits in first for edit in edits} == set(tree)


def test_edits_survive_json():
    tree = {"a.zip": zipped({"a": b"x" * 99})}
    for number in range(50):
        edits = propose(tree, "a.zip", str(number))
        again = [
            Edit.from_json(held) for held in json.loads(json.dumps([e.to_json() for e in edits]))
        ]
        assert again == edits
        assert changed(tree, again) == changed(tree, edits)


def test_some_mutations_of_xml_change_values_and_leave_it_well_formed():
    parsed = set()
    for number in range(60):
        (data,) = changed({"a": XML}, propose({"a": XML}, "a", str(number))).values()
        try:
            ET.fromstring(data)
        except ET.ParseError:
            continue
        parsed.add(data)
    assert len(parsed - {XML}) > 10


def test_a_finding_is_reduced_to_the_edit_that_matters():
    edits = [Edit("f", at=n, insert="ff", times=4096) for n in range(8)]
    asked = []

    def same(fewer):
        asked.append(fewer)
        return any(edit.at == 5 for edit in fewer)

    assert minimised(edits, same, 40) == [Edit("f", at=5, insert="ff", times=1)]
    assert len(asked) <= 40


def test_the_search_for_fewer_edits_is_bounded():
    asked = []

    def never(fewer):
        asked.append(fewer)
        return False

    edits = [Edit("f", at=n) for n in range(8)]
    assert minimised(edits, never, 4) == edits
    assert len(asked) == 4
