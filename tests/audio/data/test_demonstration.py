"""The demonstration: its songs are where its table says, and its bytes follow from the seed."""

import numpy as np
import pytest
import soundfile

from scionwood import OutputExistsError
from scionwood_audio.data.demonstration import RATE, write_demonstration
from scionwood_audio.readers.selections import read_selections


def test_the_songs_are_where_the_table_says(tmp_path):
    made = write_demonstration(tmp_path, minutes=0.5)
    samples, rate = soundfile.read(made.recording)
    assert (rate, len(samples)) == (RATE, 30 * RATE)
    songs = read_selections(made.truth)
    power = np.abs(np.fft.rfft(samples[: len(samples) // 640 * 640].reshape(-1, 640))) ** 2
    band = power[:, 2900 * 640 // RATE : 4600 * 640 // RATE].sum(1)
    times = (np.arange(len(band)) + 0.5) * 640 / RATE
    inside = np.any([(s.start < times) & (times < s.end) for s in songs], axis=0)
    assert np.median(band[inside]) > 10 * np.median(band[~inside])
    assert {s[:5] for s in read_selections(made.examples)} <= {s[:5] for s in songs}


def test_files_that_exist_are_kept(tmp_path):
    write_demonstration(tmp_path, minutes=0.5)
    with pytest.raises(OutputExistsError):
        write_demonstration(tmp_path, minutes=0.5)
