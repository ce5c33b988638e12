"""WebDataset shards: reading in place, and refused archives."""

import io
import json
import os
import pickle
import tarfile

import numpy as np
import pytest
from case_table import table
from PIL import Image

from scionwood import ReadError, RecipeError, WriteError
from scionwood_biomed.data.images import Images
from scionwood_biomed.readers.shards import ShardReader


def picture(level, kind="PNG"):
    content = io.BytesIO()
    Image.new("RGB", (12, 16), (level, 0, 0)).save(content, kind)
    return content.getvalue()


def shard(path, members):
    """Write an archive of (name, content) pairs and of TarInfos."""
    with tarfile.open(path, "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return path


def note(**values):
    return json.dumps(values).encode()


def samples(patients, first=0):
    """Yield the members of two samples per patient, with the class of the patient."""
    for patient in patients:
        for number in range(2):
            key = f"scans/{first + 2 * patient + number:05d}"
            yield f"{key}.png", picture(10 * patient + number)
            yield f"{key}.json", note(label=("cyst", "tumour")[patient % 2], subject=f"p{patient}")


def test_samples_are_pictures_with_class_and_a_hash_of_the_subject(tmp_path):
    reader = ShardReader(shard(tmp_path / "a.tar", samples(range(2))), salt="pepper")
    assert reader.keys == [f"scans/{n:05d}" for n in range(4)]
    assert reader.labels == ["cyst", "cyst", "tumour", "tumour"]
    assert len(set(reader.subjects)) == 2
    assert "p0" not in reader.subjects
    for record, level in zip(reader, (0, 1, 10, 11), strict=True):
        assert record.data.shape == (16, 12, 3)
        assert np.rint(255 * record.data[0, 0, 0]) == level


def test_a_folder_of_shards_is_split_by_subject(tmp_path):
    shard(tmp_path / "s-0.tar", samples(range(6)))
    shard(tmp_path / "s-1.tar", samples(range(6, 12)))
    data = Images(source=tmp_path, size=32, shots=2)
    parts = data.splits()
    owners = [{item.subject for item in items} for items in parts.values()]
    assert sum(map(len, owners)) == len(set.union(*owners))
    assert {len(items) for items in parts.values()} == {4}
    assert next(iter(data.train_dataloader()))["image"].shape == (4, 3, 32, 32)


def test_reads_the_class_from_text_and_the_subject_from_the_name(tmp_path):
    members = [("p7_1.jpg", picture(9, "JPEG")), ("p7_1.cls", b"cyst\n")]
    source = shard(tmp_path / "a.tar", members)
    with pytest.raises(RecipeError, match="p7_1 has no subject"):
        Images(source=source).items()
    (item,) = Images(source=source, subject=r"^(p\d+)_").items()
    assert (item.label, item.subject, item.part) == ("cyst", "p7", 0)


def test_refuses_a_class_number_without_a_name(tmp_path):
    members = [("1.png", picture(9)), ("1.cls", b"1"), ("1.json", note(subject="p"))]
    source = shard(tmp_path / "a.tar", members)
    with pytest.raises(RecipeError, match="class_names"):
        Images(source=source).items()
    assert Images(source=source, class_names=["cyst", "tumour"]).names() == ["tumour"]


def test_refuses_to_split_shards_without_subjects(tmp_path):
    source = shard(tmp_path / "a.tar", [("1.png", picture(9)), ("1.cls", b"cyst")])
    with pytest.raises(RecipeError, match="splits of their own"):
        Images(source=source, subject="unknown").items()


def test_a_pickle_is_never_opened(tmp_path):
    witness = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(witness),)

    members = [("1.png", picture(9)), ("1.pyd", pickle.dumps(Trap())), ("1.cls", b"cyst")]
    reader = ShardReader(shard(tmp_path / "a.tar", members))
    assert [record.key for record in reader] == [{"sample": 0, "label": "cyst"}]
    assert not witness.exists()


def test_rewrite_changes_pictures_but_no_jpeg_and_keeps_other_members(tmp_path):
    source = shard(tmp_path / "a.tar", samples(range(1)))
    ShardReader(source).rewrite(tmp_path / "b.tar", lambda record: 1 - record.data)
    rewritten = ShardReader(tmp_path / "b.tar")
    assert rewritten.labels == ["cyst", "cyst"]
    assert [np.rint(255 * record.data[0, 0, 0]) for record in rewritten] == [255, 254]
    shard(source, [("1.jpg", picture(9, "JPEG"))])
    with pytest.raises(WriteError, match="JPEG is lossy"):
        ShardReader(source).rewrite(tmp_path / "c.tar", lambda record: 1 - record.data)


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


HOSTILE = {
    "symlink": (member("1.png", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    "hard link": (member("1.png", tarfile.LNKTYPE, "0.png"), "is a link"),
    "device": (member("1.png", tarfile.CHRTYPE), "a device"),
    "parent": (("../1.png", picture(1)), "leaves the folder"),
    "absolute": (("/1.png", picture(1)), "leaves the folder"),
    "huge": (member("1.png", size=1 << 40), "more than `largest`"),
    "cut": (member("1.png", size=1 << 20), "it is cut"),
    "twice": (("0.png", picture(1)), "0.png twice"),
}


@table("name", HOSTILE)
def test_hostile_members_are_named_with_the_reason(name, tmp_path):
    bad, message = HOSTILE[name]
    source = shard(tmp_path / "a.tar", [("0.png", picture(1)), bad])
    with pytest.raises(ReadError, match=message):
        ShardReader(source)


def test_refuses_a_damaged_header_and_a_compressed_shard(tmp_path):
    source = shard(tmp_path / "a.tar", samples(range(3)))
    raw = bytearray(source.read_bytes())
    at = raw.index(b"scans/00002.png")
    raw[at : at + 4] = b"XXXX"  # its checksum is now wrong
    source.write_bytes(raw)
    with pytest.raises(ReadError, match="neither a header nor the end"):
        ShardReader(source)
    with tarfile.open(source, "w:gz") as archive:
        archive.addfile(member("1.png"))
    with pytest.raises(ReadError, match="shard"):
        ShardReader(source)
