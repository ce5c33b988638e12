import numpy as np
import pytest
import soundfile
from case_table import table
from PIL import Image

from scionwood import ReadError, RecipeError
from scionwood_audio.data.scenes import Scenes

HEAD = "clip,picture,text,start,end\n"


@pytest.fixture
def folder(tmp_path):
    noise = np.random.default_rng(0).standard_normal(16000) * 0.1
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", np.roll(noise, number), 16000)
    Image.new("RGB", (40, 30), (255, 0, 0)).save(tmp_path / "red.png")
    (tmp_path / "views").mkdir()
    for number, colour in enumerate(("red", "lime")):
        Image.new("RGB", (20, 20), colour).save(tmp_path / "views" / f"{number}.png")
    return tmp_path


def scenes(folder, lines, **options):
    table = folder / "clips.csv"
    table.write_text(HEAD + "".join(lines))
    return Scenes(source=str(table), seconds=2, side=28, **options)


def rows(folder, line):
    return [line, *(f"{k}.wav,red.png,owl,0,0\n" for k in (1, 2, 3))]


def find(data, text):
    for split in ("train", "val", "test"):
        for batch in data.loader(split):
            if text in batch["text"]:
                return {k: v[batch["text"].index(text)] for k, v in batch.items()}
    raise AssertionError(text)


def test_a_second_is_an_event_if_half_of_it_is(folder):
    data = scenes(folder, rows(folder, "0.wav,red.png,hen,0.6,1.5\n"))
    assert find(data, "hen")["event"].tolist() == [False, True]


def test_a_short_clip_ends_in_silence(folder):
    samples = find(scenes(folder, rows(folder, "0.wav,red.png,hen,,\n")), "hen")["samples"]
    assert samples.shape == (32000,)
    assert not samples[16000:].any()


def test_a_folder_gives_a_picture_a_second(folder):
    pictures = find(scenes(folder, rows(folder, "0.wav,views,hen,,\n")), "hen")["pictures"]
    assert pictures[0, 0].mean() == 1
    assert pictures[1, 0].mean() == 0
    assert pictures[1, 1].mean() == 1


def test_clips_of_one_recording_are_in_one_split(folder):
    lines = [f"{k}.wav,red.png,owl,,,{'aabc'[k]}\n" for k in range(4)]
    table = folder / "clips.csv"
    table.write_text("clip,picture,text,start,end,recording\n" + "".join(lines))
    data = Scenes(source=str(table), seconds=2, side=28)
    counts = [len(data.loader(split).dataset) for split in ("train", "val", "test")]
    assert sorted(counts) == [1, 1, 2]


@table(
    "what, line, error, rule",
    [
        ("no such sound", "9.wav,red.png,hen,,\n", ReadError, "9.wav"),
        ("no picture", "0.wav,0.wav,hen,,\n", ReadError, "no picture can be read"),
        ("end before start", "0.wav,red.png,hen,2,1\n", RecipeError, "before its end"),
        ("no number", "0.wav,red.png,hen,now,\n", RecipeError, "seconds of the clip"),
        ("a clip twice", "1.wav,red.png,hen,,\n", RecipeError, "one row a clip"),
        ("a cell too few", "0.wav,red.png,hen\n", ReadError, "line 2 has not 5 cells"),
    ],
)
def test_bad_rows_are_refused(what, line, error, rule, tmp_path):
    folder = tmp_path
    noise = np.random.default_rng(0).standard_normal(16000) * 0.1
    for number in range(4):
        soundfile.write(folder / f"{number}.wav", np.roll(noise, number), 16000)
    Image.new("RGB", (40, 30)).save(folder / "red.png")
    with pytest.raises(error, match=rule):
        find(scenes(folder, rows(folder, line)), "hen")
