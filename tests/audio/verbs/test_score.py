import json

import numpy as np
import pytest
import soundfile

from scionwood.cli import main
from scionwood_audio.data.made import tone


@pytest.fixture
def table(tmp_path):
    lines = ["path,label"]
    for number in range(6):
        samples = tone(np.random.default_rng(number), number % 2, 0.5)
        soundfile.write(tmp_path / f"{number}.wav", samples, 16000)
        lines.append(f"{number}.wav,{('rising', 'falling')[number % 2]}")
    path = tmp_path / "sounds.csv"
    path.write_text("\n".join(lines))
    return path


OPTIONS = ["--weights", "random", "--window", "0.5", "--folds", "2", "--tuned-folds", "0"]


def test_it_prints_every_layer_and_the_advice(table, capsys, monkeypatch):
    monkeypatch.setenv("SCIONWOOD_READERS", "inline")
    main(["audio", "layers", str(table), *OPTIONS])
    text = capsys.readouterr().out
    assert "layer 4" in text
    assert "advice: " in text


def test_json_has_a_value_for_each_split(table, capsys, monkeypatch):
    monkeypatch.setenv("SCIONWOOD_READERS", "inline")
    main(["audio", "layers", str(table), *OPTIONS, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["clips"] == 6
    assert all(len(row["values"]) == 2 for row in found["rows"])
