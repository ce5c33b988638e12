"""Clips of words: equal sounds are removed, and no text is in two splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from scionwood import ReadError
from scionwood_audio.data.tables import Clip, distinct, read_rows
from scionwood_audio.data.words import Trials, Words, apart_by_word, made_clips
from scionwood_audio.model.spelling import texts_of


def _table(folder: Path, clips: list[Clip]) -> Path:
    for number, clip in enumerate(clips):
        soundfile.write(folder / f"{number}.wav", clip.sound, 16000)
    rows = [f"{number}.wav,{clip.text},{clip.group}" for number, clip in enumerate(clips)]
    table = folder / "words.csv"
    table.write_text("path,text,speaker\n" + "\n".join(rows) + "\n")
    return table


def test_no_text_is_in_two_splits():
    splits = Words(seed=1).splits
    texts = [{clip.text for clip in splits[name]} for name in ("train", "val", "test")]
    assert all(texts)
    assert len(set.union(*texts)) == sum(map(len, texts))


def test_a_split_by_word_shares_no_content_word():
    sound = np.zeros(2000, np.float32)
    clips = [
        Clip(sound, f"una {a} {b}", "", f"{a}{b}")
        for a in ("rana", "casa", "luna", "mesa", "silla")
        for b in ("verde", "roja", "negra", "clara", "alta", "baja")
    ]
    parts = {"train": clips[::3], "val": clips[1::3], "test": clips[2::3]}
    dealt = apart_by_word(parts)
    words = {
        name: {w for clip in part for w in clip.text.split() if len(w) > 3}
        for name, part in dealt.items()
    }
    assert dealt["test"] == clips[2::3]
    assert not (words["train"] | words["val"]) & words["test"]


def test_equal_samples_under_other_names_are_removed(tmp_path, capsys):
    clips = made_clips(24, 0)
    copied = Clip(clips[0].sound, "otra", "made", "copy")
    data = Words(path=_table(tmp_path, [*clips, copied]), batch_size=2)
    names = [clip.text for part in data.splits.values() for clip in part]
    assert sorted(names) == sorted(clip.text for clip in clips)
    assert "1 clips repeat" in capsys.readouterr().err
    assert len(distinct([clips[0], copied])) == 1


def test_each_clip_has_four_texts_that_it_does_not_say():
    clips = made_clips(20, 0)
    trials = Trials(clips, 16_000, seed=0)
    for number in range(3):
        sample = trials[number]
        others = texts_of(sample["others"])
        assert len(others) == 4
        assert clips[number].text not in others
        assert others == texts_of(trials[number]["others"])
        assert int(sample["frames"]) == -(-len(clips[number].sound) // 320)


def test_a_table_without_its_columns_is_refused(tmp_path):
    table = tmp_path / "words.csv"
    table.write_text("file,word\na.wav,una\n")
    with pytest.raises(ReadError, match="path,text"):
        Words(path=table).setup("fit")


def test_a_cell_may_hold_line_breaks_of_its_own(tmp_path):
    table = tmp_path / "words.csv"
    table.write_text('path,text\na.wav,"una\ndos\u2028tres"\nb.wav,dos\n', "utf-8")
    assert [row["text"] for row in read_rows(table, ["path"])] == ["una\ndos\u2028tres", "dos"]


def test_a_speaker_that_nobody_is_leaves_no_clip(tmp_path):
    with pytest.raises(ReadError, match="nobody"):
        Words(path=_table(tmp_path, made_clips(4, 0)), speaker="nobody").setup("fit")
