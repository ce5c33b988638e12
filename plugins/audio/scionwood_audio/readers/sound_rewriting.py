"""New values in a copy of a recording, where those that did not change keep their bits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scionwood import Record, WriteError
from scionwood.authoring import RecordFunction
from scionwood_audio.readers.containers import chunks

if TYPE_CHECKING:
    from scionwood_audio.readers.sound import SoundReader

BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
FLOATS = ("FLOAT", "DOUBLE")
WAVES = ("WAV", "WAVEX", "RF64", "W64")
"""Formats whose samples are changed in place."""


def rewrite_sound(reader: SoundReader, part: Path, function: RecordFunction) -> None:
    """Write the new recording to a path; see `SoundReader.rewrite`."""
    import soundfile

    shutil.copyfile(reader.path, part)
    changed = False
    exact = reader.format in (*WAVES, "FLAC") and reader.subtype in (*BITS, *FLOATS)
    with soundfile.SoundFile(str(reader.path)) as source:
        options: dict[str, Any] = {"mode": "r+"}
        if exact and reader.format == "FLAC":
            options = {"mode": "w", "samplerate": reader.rate, "channels": reader.channels}
            options |= {"subtype": reader.subtype, "format": reader.format}
        target = soundfile.SoundFile(str(part), **options) if exact else None
        try:
            for record in reader:
                new = _new_data(reader, record, function)
                changed |= bool((new != record.data).any())
                if target is not None:
                    target.write(_values(reader, source, record, new))
        finally:
            if target is not None:
                target.close()
    if not changed:
        shutil.copyfile(reader.path, part)
    elif not exact:
        rule = f"{reader.format} ({reader.subtype}) cannot store the new values exactly"
        raise WriteError(str(reader.path), rule, "Convert the file to WAV first")
    elif reader.format != "FLAC":
        _restore(reader.path, part)


def _values(reader: SoundReader, source: Any, record: Record, new: np.ndarray) -> np.ndarray:
    """Return the values of the file, (time, channel), with the changed ones in their places."""
    kind = "float64" if reader.subtype in FLOATS else "int32"
    values: np.ndarray = source.read(record.data.shape[1], dtype=kind, always_2d=True)
    changed = (new != record.data).T
    scaled = new.T[changed].astype(np.float64) / (reader.calibration or 1.0)
    if reader.subtype not in FLOATS:  # libsndfile takes the upper bits of an integer
        bits = BITS[reader.subtype]
        top = 2.0 ** (bits - 1)
        scaled = np.clip(np.round(scaled * top), -top, top - 1) * 2.0 ** (32 - bits)
    values[changed] = scaled.astype(kind)
    return values


def _restore(source: Path, part: Path) -> None:
    """Give a copy the bytes of its source before and after the samples.

    libsndfile drops the chunks after the samples, where field recorders keep their metadata.
    """
    size = source.stat().st_size
    with source.open("rb") as old, part.open("r+b") as new:
        data = next(chunk for chunk in chunks(old) if chunk.name == b"data")
        old.seek(0)
        new.write(old.read(data.start))
        end = min(size, data.start + data.length)
        old.seek(end)
        new.seek(end)
        shutil.copyfileobj(old, new)
        new.truncate(size)


def _new_data(reader: SoundReader, record: Record, function: RecordFunction) -> np.ndarray:
    data = np.asarray(function(Record(record.key, record.data.copy(), record.coords)))
    if data.shape != record.data.shape:
        rule = f"the new data has shape {data.shape}, and the record has {record.data.shape}"
        raise WriteError(str(reader.path), rule, "Return data of the same shape")
    top = float(np.abs(data).max(initial=0.0)) / (reader.calibration or 1.0)
    if not top <= 1.0 and reader.subtype not in FLOATS:
        rule = f"{reader.subtype} stores values up to 1, not {top:g}"
        raise WriteError(str(reader.path), rule, "Scale the values, or convert the file to float")
    return data
