"""The demonstration: its songs are where its table says, and it may be made fainter."""

import numpy as np
import pytest
import soundfile

from scionwood import OutputExistsError, RecipeError
from scionwood_audio.data.demonstration import write_demonstration
from scionwood_audio.readers.selections import read_selections


def contrast(folder):
    samples, rate = soundfile.read(folder / "morning.wav")
    songs = read_selections(folder / "all.txt")
    power = np.abs(np.fft.rfft(samples[: len(samples) // 320 * 320].reshape(-1, 320))) ** 2
    band = power[:, 2900 * 320 // rate : 4600 * 320 // rate].sum(1)
    times = (np.arange(len(band)) + 0.5) * 320 / rate
    inside = np.any([(s.start < times) & (times < s.end) for s in songs], axis=0)
    return np.median(band[inside]) / np.median(band[~inside])


def test_the_songs_are_where_the_table_says_and_may_be_fainter(tmp_path):
    write_demonstration(tmp_path / "loud")
    write_demonstration(tmp_path / "faint", level=14)
    assert contrast(tmp_path / "loud") > 10
    assert contrast(tmp_path / "loud") > 4 * contrast(tmp_path / "faint")
    marked, songs = (read_selections(tmp_path / "loud" / f"{n}.txt") for n in ("five", "all"))
    assert len(marked) == 5
    assert {s[:5] for s in marked} <= {s[:5] for s in songs}


def test_what_is_louder_is_refused_and_files_are_kept(tmp_path):
    with pytest.raises(RecipeError, match="at most 22 dB"):
        write_demonstration(tmp_path, level=30)
    write_demonstration(tmp_path)
    with pytest.raises(OutputExistsError):
        write_demonstration(tmp_path)
