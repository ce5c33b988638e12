import numpy as np
import pytest
import soundfile
from case_table import table

from scionwood import ReadError, RecipeError
from scionwood_audio.data.recordings import Recordings, read_classes, window_of
from scionwood_audio.data.tables import Clip


@pytest.fixture
def folder(tmp_path):
    noise = np.random.default_rng(0).standard_normal(16000) * 0.1
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", np.roll(noise, number), 16000)
    samples, rate = soundfile.read(tmp_path / "0.wav", dtype="int16")
    soundfile.write(tmp_path / "copy.flac", samples, rate)
    return tmp_path


def written(folder, lines, head="path,label"):
    path = folder / "sounds.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def test_equal_samples_in_another_file_count_once(folder):
    lines = ["0.wav,owl", "copy.flac,owl", "1.wav,hen"]
    clips = read_classes(written(folder, lines))
    assert [clip.group for clip in clips] == ["0.wav", "1.wav"]


def test_equal_samples_with_two_labels_are_refused(folder):
    with pytest.raises(ReadError, match="has the samples of"):
        read_classes(written(folder, ["0.wav,owl", "copy.flac,hen"]))


def test_no_recording_is_in_two_splits(folder):
    lines = [f"{k}.wav,{'ab'[k % 2]},{'xyz'[k // 2]}" for k in range(6)]
    data = Recordings(source=str(written(folder, lines, "path,label,recording")))
    found = [{clip["recording"] for clip in clips} for clips in data.splits.values()]
    assert sorted(map(len, found)) == [1, 1, 1]
    assert len(set.union(*found)) == 3


def test_a_long_recording_is_cut_before_its_loudest_sample():
    samples = np.zeros(100_000, "float32")
    samples[60_000] = 1
    row = window_of(Clip(samples, "owl", "a", ""), 16_000)
    assert row["length"] == 16_000
    assert int(row["samples"].argmax()) == 8_000


def test_a_short_recording_states_its_true_length():
    row = window_of(Clip(np.ones(500, "float32"), "owl", "a", ""), 16_000)
    samples = row["samples"]
    assert (len(samples), row["length"], float(samples.sum())) == (16_000, 500, 500)


@table(
    "what, head, lines, error, rule",
    [
        ("no column", "path,kind", ["0.wav,owl"], ReadError, "no column 'label'"),
        ("no rows", "path,label", [], ReadError, "no rows"),
        ("two recordings", "path,label", ["0.wav,a", "1.wav,b"], RecipeError, "at least one"),
    ],
)
def test_bad_tables_are_refused(what, head, lines, error, rule, tmp_path):
    folder = tmp_path
    noise = np.random.default_rng(0).standard_normal(16000) * 0.1
    for number in range(2):
        soundfile.write(folder / f"{number}.wav", np.roll(noise, number), 16000)
    with pytest.raises(error, match=rule):
        Recordings(source=str(written(folder, lines, head))).setup("fit")
