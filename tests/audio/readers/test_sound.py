"""Sounds: every damage is refused or stated, whole ones are read, and copies keep their bytes."""

import struct

import numpy as np
import pytest
import soundfile
from case_table import table

from scionwood import OutputExistsError, ReadError, RecipeError, WriteError
from scionwood_audio.readers.sound import SoundReader
from scionwood_sandbox import open_in_child

from . import damage
from .damage import encoded, noise, pages, put, song

WAV, FLAC, OGG, MP3 = (encoded(*kind) for kind in (["WAV", "PCM_16"], ["FLAC"], ["OGG"], ["MP3"]))
W64, RF64 = encoded("W64", "PCM_16"), encoded("RF64", "PCM_16")
NOT_A_NUMBER = song()
NOT_A_NUMBER[441] = np.nan


def floats(data):
    return encoded("WAV", "FLOAT", data)


REFUSED = {
    "empty": (b"", "it is empty"),
    "text": (b"hello, no audio" * 50, "cannot open"),
    "picture": (damage.png(), "cannot open"),
    "header cut": (WAV[:20], "WAV header is cut"),
    "header alone": (WAV[:40] + bytes(4), "declares 0 samples"),
    "WAV cut": (WAV[: len(WAV) // 2], "declares 111,488 bytes of samples, and 55,722 are there"),
    "W64 cut": (W64[: len(W64) // 2], "declares 111,488 bytes of samples"),
    "W64 longer": (W64 + bytes(64), "W64 header declares 111,592 bytes, and 111,656 are there"),
    "W64 of another kind": (put(W64, 30, "B", 0), "an identifier of this W64 is damaged"),
    "RF64 cut": (RF64[: len(RF64) // 2], "declares 111,488 bytes of samples"),
    "FLAC cut": (FLAC[: len(FLAC) // 2], "damaged"),
    "MP3 cut": (MP3[: len(MP3) // 2], "declares 55744 samples, and"),
    "MP3 cut between frames": (MP3[:-8340], "declares 55744 samples, and"),
    "OGG cut": (OGG[: len(OGG) // 2], "the file ends inside of this page"),
    "OGG cut early": (OGG[: len(OGG) // 10], "the file ends inside of this page"),
    "OGG without its end": (b"".join(pages(OGG)[:-1]), "the last page is missing"),
    "OGG without a page": (damage.without_page(OGG, 3), "page 3 is missing"),
    "two OGG in one": (OGG + OGG, "a second recording follows"),
    "noise in OGG": (noise(OGG, 0.5, 200), "its checksum differs"),
    "noise in FLAC": (noise(FLAC, 0.5, 50), "damaged"),
    "noise in MP3": (noise(MP3, 0.33, 300), "declares 55744 samples, and"),
    "FLAC declares 2^36 samples": (FLAC[:21] + b"\xff" * 5 + FLAC[26:], "damaged"),
    "FLAC without length": (
        FLAC[:21] + bytes([FLAC[21] & 0xF0]) + bytes(4) + FLAC[26:],
        "does not state its length",
    ),
    "size too large": (put(WAV, 40, "I", 0xFFFFFFF0), "declares 4,294,967,280 bytes"),
    "size 0": (put(WAV, 40, "I", 0), "declares 0 bytes of samples, and 111,488 follow"),
    "size too small": (put(WAV, 40, "I", 60_000), "60,000 bytes of samples, and 51,488 follow"),
    "rate 0": (put(WAV, 24, "I", 0), "two rates, 0 and 44,100"),
    "no rate": (put(WAV, 24, "II", 0, 0), "states no sampling rate"),
    "rate 4e9": (put(WAV, 24, "I", 4_000_000_000), "two rates, 4,000,000,000 and 44,100"),
    "rate 2e9, twice": (put(WAV, 24, "II", 2_000_000_000, 4_000_000_000), "less than 0.1 s"),
    "rate halved": (put(WAV, 24, "I", 22_050), "two rates, 22,050 and 44,100"),
    "big-endian, cut": (encoded("WAV", "PCM_16", endian="BIG")[:-9000], "it is cut"),
    "0 channels": (put(WAV, 22, "H", 0), "in 0 channels"),
    "60,000 channels": (put(WAV, 22, "H", 60_000), "in 60000 channels"),
    "3 bits": (put(WAV, 34, "H", 3), "samples of 3 bits"),
    "NaN": (floats(NOT_A_NUMBER), "1 samples are NaN or infinite, the first at 0.010 s"),
    "1e20": (floats(song() * 1e20), "its samples reach"),
    "integers as floats": (floats(song() * 32_767), "divide by 32768"),
    "0.02 s": (encoded("WAV", "PCM_16", song(1000)), "less than 0.1 s"),
}
WHOLE = {
    "WAV of FFmpeg's pipe": put(put(WAV, 4, "I", 0xFFFFFFFF), 40, "I", 0xFFFFFFFF),
    "WAV of SoX's pipe": put(put(WAV, 4, "I", 0x7FFFF024), 40, "I", 0x7FFFF000),
    "extended, 24 bits": encoded("WAVEX", "PCM_24"),
    "8 bits": encoded("WAV", "PCM_U8"),
    "32 bits": encoded("WAV", "PCM_32"),
    "floats": encoded("WAV", "FLOAT"),
    "doubles": encoded("WAV", "DOUBLE"),
    "companded": encoded("WAV", "ULAW"),
    "W64": W64,
    "RF64": RF64,
    "FLAC": FLAC,
    "OGG": OGG,
    "OGG cut out of a stream": damage.beginning_late(OGG, 100.0),
    "MP3": MP3,
}


def samples(reader):
    return np.concatenate([record.data for record in reader], axis=1)


@table("content, message", [pytest.param(*row, id=name) for name, row in REFUSED.items()], parts=2)
@pytest.mark.parametrize("opened", [SoundReader, lambda p: open_in_child(SoundReader, p)])
def test_damage_is_refused_by_name(opened, content, message, tmp_path):
    path = tmp_path / "a.wav"  # the content decides, not the name
    path.write_bytes(content)
    with pytest.raises(ReadError) as error, opened(path) as reader:
        samples(reader)
    assert message in str(error.value)
    assert error.value.remedy


@table("content", [pytest.param(content, id=name) for name, content in WHOLE.items()])
@pytest.mark.parametrize("opened", [SoundReader, lambda p: open_in_child(SoundReader, p)])
def test_whole_sounds_are_read_to_their_end(opened, content, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with opened(path) as reader:
        data = samples(reader)
    assert data.shape == (1, damage.FRAMES)
    assert np.corrcoef(data[0], song()[:, 0])[0, 1] > 0.97


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM"])
def test_adpcm_is_read_to_the_end_of_its_last_block(subtype, tmp_path):
    (tmp_path / "a.wav").write_bytes(encoded("WAV", subtype))
    data = samples(SoundReader(tmp_path / "a.wav"))
    assert 0 <= data.shape[1] - damage.FRAMES < 2048
    assert np.corrcoef(data[0, : damage.FRAMES], song()[:, 0])[0, 1] > 0.97


def test_an_ogg_with_a_hole_is_read_and_states_it(tmp_path):
    path = tmp_path / "a.ogg"
    path.write_bytes(damage.hole(OGG, 0.5))
    with pytest.warns(UserWarning, match=r"declares 77794 .* 55744 can be read: 0\.500 s"):
        data = samples(SoundReader(path, block=0.4))
    assert np.array_equal(data, soundfile.read(path, dtype="float32", always_2d=True)[0].T)


def test_blocks_are_the_recording_and_calibration_scales_them(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded("WAV", "PCM_16", song(channels=2)))
    reader = SoundReader(path, block=0.5, calibration=20.0)
    assert len(reader) == len(list(reader)) == 3
    assert reader.units["data"] == "Pa"
    whole = samples(SoundReader(path))
    assert np.array_equal(samples(reader), whole * np.float32(20))


def test_a_block_of_no_length_is_refused(tmp_path):
    SoundReader.write_sample(tmp_path / "a.wav")
    with pytest.raises(RecipeError, match="block 0"):
        SoundReader(tmp_path / "a.wav", block=0.0)


def with_notes(wav):
    """A recorder's notes after the samples, as AudioMoth and bat detectors write them."""
    notes = b"guan" + struct.pack("<I", 10) + b"GUANO|0.1\n"
    return put(wav + notes, 4, "I", len(wav) + len(notes) - 8)


COPIED = {
    "16 bits": with_notes(WAV),
    "24 bits": with_notes(encoded("WAVEX", "PCM_24")),
    "32 bits": with_notes(encoded("WAV", "PCM_32")),
    "8 bits": with_notes(encoded("WAV", "PCM_U8")),
    "floats": with_notes(encoded("WAV", "FLOAT")),
    "doubles": with_notes(encoded("WAV", "DOUBLE")),
    "W64": W64,
    "RF64": RF64,
    "big-endian": encoded("WAV", "PCM_16", endian="BIG"),
    "big-endian, 24 bits": encoded("WAV", "PCM_24", endian="BIG"),
    "big-endian floats": encoded("WAV", "FLOAT", endian="BIG"),
}


@table("content", [pytest.param(content, id=name) for name, content in COPIED.items()])
@pytest.mark.parametrize("opened", [SoundReader, lambda p: open_in_child(SoundReader, p)])
def test_a_copy_changes_the_samples_that_changed_alone(opened, content, tmp_path):
    path, target = tmp_path / "a.wav", tmp_path / "b.wav"
    path.write_bytes(content)

    def quiet(record):
        record.data[:, 100:102] = [0.25, -0.25]
        return record.data

    with opened(path) as reader:
        reader.rewrite(target, quiet)
    copy = target.read_bytes()
    assert len(copy) == len(content)
    at = content.index(b"data")
    width = soundfile.SoundFile(path).subtype.removeprefix("PCM_").lstrip("U")
    width = {"FLOAT": 4, "DOUBLE": 8}.get(width) or int(width) // 8
    first = at + (24 if content[:4] == b"riff" else 8) + 100 * width
    assert (
        copy[:first] + copy[first + 2 * width :] == content[:first] + content[first + 2 * width :]
    )
    assert samples(SoundReader(target))[0, 100:102].tolist() == [0.25, -0.25]


def test_a_lossy_copy_is_whole_or_refused(tmp_path):
    path, target = tmp_path / "a.ogg", tmp_path / "b.ogg"
    path.write_bytes(OGG)
    reader = SoundReader(path)
    reader.rewrite(target, lambda record: record.data)
    assert target.read_bytes() == OGG
    with pytest.raises(OutputExistsError):
        reader.rewrite(target, lambda record: record.data)
    with pytest.raises(WriteError, match="is not changed in place"):
        reader.rewrite(target, lambda record: record.data / 2, overwrite=True)
    assert target.read_bytes() == OGG


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda d: d * 9, "stores values up to 1"), (lambda d: d[:, 1:], "has shape")],
)
def test_what_a_format_cannot_hold_is_refused(change, message, tmp_path):
    (tmp_path / "a.wav").write_bytes(WAV)
    with pytest.raises(WriteError, match=message):
        SoundReader(tmp_path / "a.wav").rewrite(tmp_path / "b.wav", lambda r: change(r.data))
    assert not (tmp_path / "b.wav").exists()
